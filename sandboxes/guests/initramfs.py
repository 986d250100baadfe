"""The guest's file system: static busybox, its applets as links, and the files in inside/."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import time
from functools import lru_cache
from pathlib import Path

from sandboxes.cpuid import cpuid_program
from sandboxes.errors import GuestUnavailable
from sandboxes.guests.cache import guests_folder
from sandboxes.guests.compiler import agent_program
from sandboxes.guests.cpio import Entry, archive, character_device, file, folder, link
from sandboxes.guests.elf import is_static
from sandboxes.guests.kernels import GuestKernel
from sandboxes.lifecycle.cache import put
from sandboxes.syscall import syscall_program

UNUSED_S = 7 * 86_400
_INSIDE = Path(__file__).with_name("inside")
_FOR_NETWORK = ("failover.ko", "net_failover.ko", "virtio_net.ko")
_FOR_CONTAINERS = ("overlay.ko",)
_FOLDERS = (
    "bin",
    "sbin",
    "dev",
    "etc",
    "etc/acpi",
    "etc/acpi/PWRF",
    "lib",
    "lib/modules",
    "proc",
    "root",
    "run",
    "sys",
    "tmp",
    "usr",
    "usr/bin",
)


def initramfs(kernel: GuestKernel, *, network: bool, containers: bytes = b"") -> Path:
    """An archive in the cache, named by its content; built when it is not there (about 20 ms).

    `containers` is the archive that containers need inside: the kernel unpacks one after the other, and a later file
    takes the place of an earlier one (buffer-format.rst).

    Raises GuestUnavailable when there is no static busybox on this machine, or no compiler for the agent in the cache.
    """
    programs = _foreign_programs(kernel.busybox) if kernel.busybox else _own_programs()
    unneeded = (*(() if network else _FOR_NETWORK), *(() if containers else _FOR_CONTAINERS))
    needed = [name for name in kernel.modules if name not in unneeded]
    modules = {name: (kernel.folder / name).read_bytes() for name in needed}
    data = archive(_entries(programs, modules)) + containers
    path = guests_folder() / "initramfs" / f"{hashlib.sha256(data).hexdigest()}.cpio"
    if path.is_file() and path.stat().st_size == len(data):
        with contextlib.suppress(OSError):  # a cache that this user may only read
            os.utime(path)
    else:
        put(path, data)
        forget_unused(path.parent)
    return path


def forget_unused(folder: Path) -> None:
    """Archives that nothing has booted from for a week are gone: those of earlier kernels, programs and agents."""
    for path in folder.glob("*.cpio"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - UNUSED_S:
                path.unlink()


def found_busybox() -> Path | None:
    """A busybox that runs without libraries; starts nothing."""
    path = shutil.which("busybox")
    if path is None:
        return None
    return Path(path) if is_static(Path(path).read_bytes()) else None


def shell_agent() -> bytes:
    """The agent for busybox sh, for computers that no agent in C is made for."""
    return (_INSIDE / "agent").read_bytes()


def _own_programs() -> list[Entry]:
    """This machine's busybox, which runs here too and so can say what its applets are."""
    program = found_busybox()
    if program is None:
        raise GuestUnavailable(
            "The guest's file system needs a static busybox.",
            seen="no statically linked busybox on PATH",
            remedy="apt-get install busybox-static",
        )
    return [
        *_busybox(program.read_bytes(), _applets(program)),
        file("bin/syscall", syscall_program(), 0o755),
        file("bin/cpuid", cpuid_program(), 0o755),
        file("sbin/agent", agent_program(), 0o755),
    ]


def _foreign_programs(busybox: Path) -> list[Entry]:
    """A busybox for another kind of processor, and the agent as a script for it."""
    data = busybox.read_bytes()
    return [*_busybox(data, applets_in(data)), file("sbin/agent", shell_agent(), 0o755)]


def applets_in(busybox: bytes) -> tuple[str, ...]:
    """The names of a busybox that cannot be run here: they lie in it in order, each ended by a NUL.

    Source: include/applet_tables.h, as busybox's applets/applet_tables.c writes it.
    """
    start = busybox.index(b"\0[\0[[\0") + 1
    names = busybox[start : busybox.index(b"\0\0", start)].decode().split("\0")
    return tuple(name for name in names if name != "busybox")


def _busybox(program: bytes, applets: tuple[str, ...]) -> list[Entry]:
    return [file("bin/busybox", program, 0o755), *(link(f"bin/{name}", "busybox") for name in applets)]


@lru_cache
def _applets(program: Path) -> tuple[str, ...]:
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True, timeout=10)
    return tuple(sorted(set(listed.stdout.split()) - {"busybox"}))


def _entries(programs: list[Entry], modules: dict[str, bytes]) -> list[Entry]:
    inside = {name: (_INSIDE / name).read_bytes() for name in ("fstab", "inittab", "rc")}
    return [
        *(folder(path) for path in _FOLDERS),
        character_device("dev/console", 5, 1),
        *programs,
        link("init", "bin/busybox"),
        file("etc/rc", inside["rc"], 0o755),
        file("etc/inittab", inside["inittab"]),
        file("etc/fstab", inside["fstab"]),
        file("etc/acpi/PWRF/00000080", b"#!/bin/sh\npoweroff\n", 0o755),
        file("etc/machine-id", b"uninitialized\n"),  # machine-id(5); a clone writes over it
        file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"),
        file("etc/group", b"root:x:0:\nnogroup:x:65534:\n"),
        file("etc/modules", "".join(f"/lib/modules/{name}\n" for name in modules).encode()),
        *(file(f"lib/modules/{name}", data) for name, data in modules.items()),
    ]
