"""What QEMU loads: Xen itself, dom0's kernel, and dom0's file system with all that other domains boot from."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from sandboxes.guests.boards import Q35
from sandboxes.guests.cache import guests_folder
from sandboxes.guests.cpio import Entry, archive, file, folder
from sandboxes.guests.initramfs import initramfs
from sandboxes.guests.kernels import GuestKernel
from sandboxes.guests.machine import Machine
from sandboxes.guests.system import BOOT_S, Loaded, System, linux_words
from sandboxes.guests.xen.parts import TOOLS, XEN
from sandboxes.lifecycle.cache import put

BOARD = replace(Q35, console_port="hvc0", network_card=None, balloon=None)
"""Dom0 reaches its console through Xen, and knows of no network card and no balloon of QEMU's: that is Xen's memory."""

CPU_MODEL = "qemu64,+rdrand"
"""On "max", with SMAP, an emulated dom0 crashes. Without RDRAND, who wants a random number, as for each new domain's
uuid, waits seconds for it."""

DOM0_BYTES = 320 << 20
XEN_WORDS = (
    "console=com1",
    "com1=115200,8n1",
    f"dom0_mem={DOM0_BYTES >> 20}M,max:{DOM0_BYTES >> 20}M",
    "dom0_max_vcpus=1",
    "loglvl=warning",
)
"""docs/misc/xen-command-line.pandoc."""

DOMAIN_KERNEL, DOMAIN_FILES = "boot/domain-kernel", "boot/domain.cpio"
"""What another domain boots, as dom0 has them."""

_INSIDE = Path(__file__).parents[1] / "inside/xen"
_XL_CONF = b'autoballoon="off"\n'
"""Dom0 keeps its memory: xl.conf(5)."""

_archives: dict[tuple[Path, Path], Path] = {}


def system(machine: Machine, dom0: GuestKernel, domains: GuestKernel) -> System:
    """Raises GuestUnavailable as initramfs() does."""
    kernel = Loaded(dom0.bzimage, linux_words(machine))
    return System(dom0.folder / XEN, (kernel, Loaded(_file_system(dom0, domains))), XEN_WORDS, BOOT_S)


def _file_system(dom0: GuestKernel, domains: GuestKernel) -> Path:
    """A guest's, and after it what is Xen's: the kernel unpacks one archive after the other (buffer-format.rst)."""
    key = (dom0.folder, domains.folder)
    if key not in _archives or not _archives[key].is_file():
        base, tools = initramfs(dom0, network=False).read_bytes(), (dom0.folder / TOOLS).read_bytes()
        data = base + tools + archive(_for_domains(domains))
        _archives[key] = guests_folder() / "initramfs" / f"{hashlib.sha256(data).hexdigest()}.cpio"
        put(_archives[key], data)
    return _archives[key]


def _for_domains(kernel: GuestKernel) -> list[Entry]:
    """Another domain's file system is a guest's too, but for its console: there is a shell, and no agent."""
    own = archive([file("etc/inittab", (_INSIDE / "inittab").read_bytes())])
    return [
        *(folder(path) for path in ("boot", "etc/rc.d", "etc/xen", "var", "var/lib", "var/log")),
        file("etc/rc.d/xen", (_INSIDE / "rc").read_bytes(), 0o755),
        file("etc/xen/xl.conf", _XL_CONF),
        file(DOMAIN_KERNEL, kernel.bzimage.read_bytes()),
        file(DOMAIN_FILES, initramfs(kernel, network=False).read_bytes() + own),
    ]
