"""What runs in a machine: a kernel, what is loaded beside it, and the words that it is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sandboxes.guests.boxes.parts import container_archive
from sandboxes.guests.initramfs import initramfs
from sandboxes.guests.kernels import GuestKernel
from sandboxes.guests.machine import Machine

KERNEL_WORDS = (
    "quiet",
    "panic=-1",  # a panic reboots at once, which -no-reboot turns into the end of QEMU
    "cryptomgr.notests",  # self-tests of ciphers: about 0.3 s of an emulated boot
    "initcall_blacklist=crypto_kdf108_init",  # another self-test and nothing else: 0.04 s
    "lsm=landlock,lockdown,yama,integrity",  # not those which do nothing without a policy, but are asked at each step
    "noautogroup",  # a session is a command here, not a person at a desk
    "nowatchdog",  # a processor that stood still was the host's doing
)
"""Documentation/admin-guide/kernel-parameters.rst."""

TRACE_WORDS = ("initcall_debug", "log_buf_len=1M")
"""The kernel notes when each of its initcalls begins and ends, in its log: a console would be slowed by that."""

BOOT_S = 60.0
"""Many times what any of them takes, foreign ones too: a busy machine may be that slow."""


@dataclass(frozen=True)
class Loaded:
    """A file that is in memory before the kernel starts. Its `words` are for kernels that boot by multiboot."""

    path: Path
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Warming:
    """Shell text that ends well, within `limit_s`, once what it is about is up; `what` says that to people."""

    what: str
    command: str
    limit_s: float


@dataclass(frozen=True)
class System:
    """For Linux `loaded` is its initramfs alone; for Xen, dom0's kernel with its words and dom0's initramfs.

    It comes to start the agent on the machine's agent port, within `boot_s`. Before it becomes a template, all of
    `warming` has ended well in it. `holds` names what is special in it.
    """

    kernel: Path
    loaded: tuple[Loaded, ...]
    words: tuple[str, ...]
    boot_s: float
    warming: tuple[Warming, ...] = ()
    holds: str = ""

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.kernel, *(one.path for one in self.loaded))


_archives: dict[tuple[Path, bool, bool], Path] = {}


def linux(machine: Machine, kernel: GuestKernel) -> System:
    """The guest's kernel with our initramfs; as a distribution boots it when the machine is a stock one.

    Raises GuestUnavailable as initramfs() does.
    """
    archive = _archive(kernel, network=machine.network, containers=machine.containers)
    traced = TRACE_WORDS if machine.trace else ()
    if machine.stock:
        return System(kernel.bzimage, (Loaded(archive),), ("console=ttyS0", *traced), BOOT_S)
    words = (*traced, *lone_words(machine), *linux_words(machine))
    return System(kernel.image, (Loaded(archive),), words, BOOT_S)


def lone_words(machine: Machine) -> tuple[str, ...]:
    """Not for KVM, where a processor's own timer is the best one, nor for several, whose code must stay as it is."""
    return machine.board.architecture.lone_words if machine.accelerator == "tcg" and machine.cpus == 1 else ()


def linux_words(machine: Machine) -> tuple[str, ...]:
    """The last two go on to the programs inside: the name, and where the agent finds its port."""
    board = machine.board
    console = (f"console={board.console_port}",) if board.console_port else ()
    last = (f"hostname={machine.name}", f"agent={board.agent_port}")
    return (*console, *KERNEL_WORDS, *board.architecture.kernel_words, *last)


def _archive(kernel: GuestKernel, *, network: bool, containers: bool) -> Path:
    """Put together once in a process: it takes 20 ms."""
    key = (kernel.folder, network, containers)
    if key not in _archives or not _archives[key].is_file():
        _archives[key] = initramfs(kernel, network=network, containers=container_archive() if containers else b"")
    return _archives[key]
