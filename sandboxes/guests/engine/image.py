"""What a guest that is an engine boots, and what must be up in it before it becomes a template."""

from __future__ import annotations

from pathlib import Path

from sandboxes import profile
from sandboxes.guests.boxes.runtime import runtime_archive
from sandboxes.guests.cpio import Entry, archive, file, folder, link
from sandboxes.guests.engine.parts import parts_archive
from sandboxes.guests.initramfs import initramfs
from sandboxes.guests.kernels import GuestKernel
from sandboxes.guests.machine import Machine
from sandboxes.guests.system import BOOT_S, Loaded, System, Warming, linux_words

ADDRESS, PORT = "10.0.2.15", 2375
"""Where the engine listens in the guest; QEMU's network for users has this address for a guest (-netdev user)."""

WORDS = ("init_on_free=1",)
"""Memory that was given back is zeros: a template is as small as what is used. kernel-parameters.txt."""

UP_S = 240.0
"""Many times of what dockerd takes to come up under emulation."""

HOSTS = "/etc/hosts.containers"
"""In the guest: the table of hosts of a container without a network."""

_INSIDE = Path(__file__).parents[1] / "inside/engine"
_LOG = "/var/log/engine"

_archives: dict[tuple[Path, bytes], Path] = {}

ANSWERS = f"""
until wget -q -O /dev/null http://{ADDRESS}:{PORT}/_ping; do
    pidof dockerd >/dev/null || {{ tail -n 5 {_LOG}; exit 1; }}
    sleep 0.2
done
"""


def system(machine: Machine, kernel: GuestKernel, crun: bytes) -> System:
    """`crun` is the program by which the engine calls its runtime. Raises GuestUnavailable, as initramfs() does."""
    words = (*WORDS, *linux_words(machine))
    warming = (
        Warming("waiting for the engine in the guest to answer", ANSWERS, UP_S),
        Warming("giving back what it has only read", "sync; echo 3 >/proc/sys/vm/drop_caches", UP_S),
    )
    return System(kernel.image, (Loaded(_file_system(kernel, crun)),), words, BOOT_S, warming, "a container engine")


def _file_system(kernel: GuestKernel, crun: bytes) -> Path:
    """Put together once in a process: it is 150 MB."""
    key = (kernel.folder, crun)
    if key not in _archives or not _archives[key].is_file():
        own = archive(_own(crun))
        _archives[key] = initramfs(kernel, network=True, containers=runtime_archive() + parts_archive() + own)
    return _archives[key]


def _own(crun: bytes) -> list[Entry]:
    return [
        *(folder(path) for path in ("etc/rc.d", "var", "var/log", "var/lib", "usr/local", "usr/local/bin")),
        file("init", (_INSIDE / "init").read_bytes(), 0o755),
        file("etc/inittab", (_INSIDE / "inittab").read_bytes()),
        file("etc/rc.d/engine", (_INSIDE / "rc").read_bytes(), 0o755),
        file(HOSTS.lstrip("/"), profile.HOSTS.encode()),
        file("sbin/engine", (_INSIDE / "engine").read_bytes(), 0o755),
        file("usr/local/bin/crun", crun, 0o755),
        link("usr/bin/runc", "/usr/local/bin/crun"),  # dockerd does not come up without a program of this name
    ]
