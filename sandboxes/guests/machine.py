"""The virtual machine as QEMU's arguments. Source of each: qemu-system-x86_64(1), and the other processors' pages."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from sandboxes.errors import GuestUnavailable
from sandboxes.guests.architectures import X86_64, Architecture
from sandboxes.guests.boards import Q35, Board
from sandboxes.guests.parts import cached_part

PROGRAM = X86_64.program

TRANSLATION_BYTES = 256 << 20
"""For the code that an emulated guest's instructions are translated to; when it is full, QEMU begins anew."""

_DATA = Path("/usr/share/qemu")
"""Where the distribution keeps QEMU's firmware; a QEMU that is not installed looks for it elsewhere."""
_QBOOT = _DATA / "qboot.rom"
HARDENED = (
    *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
    *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
)
"""Nothing that is not asked for; and by seccomp(2) none of the calls that a device emulator has no use for."""

KERNEL_WORDS = (
    "quiet",
    "panic=-1",  # a panic reboots at once, which -no-reboot turns into the end of QEMU
    "cryptomgr.notests",  # self-tests of ciphers: about 0.3 s of an emulated boot
)
"""Documentation/admin-guide/kernel-parameters.rst."""


@dataclass(frozen=True)
class Machine:
    """What a guest is made of. `firmware` is the file that -bios names; None: what the board has itself."""

    name: str
    memory_bytes: int
    cpus: int
    network: bool
    accelerator: str
    firmware: Path | None
    board: Board = Q35

    @property
    def firmware_name(self) -> str:
        return "qboot" if self.firmware else self.board.own_firmware


@dataclass(frozen=True)
class Wiring:
    """What QEMU opens or inherits: paths of kernel and initramfs, numbers of the inherited sockets."""

    kernel: str
    initramfs: str
    console: int
    agent: int
    monitor: int


def found_program(kind: Architecture = X86_64) -> Path | None:
    """The QEMU for this kind of processor, installed or unpacked into the cache; starts nothing."""
    installed = shutil.which(kind.program)
    return Path(installed) if installed else cached_part(kind.package, f"usr/bin/{kind.program}")


def needed_program(kind: Architecture = X86_64) -> Path:
    """The same. Raises GuestUnavailable when there is none."""
    if program := found_program(kind):
        return program
    raise GuestUnavailable(
        "QEMU is not installed.", seen=f"no {kind.program} on PATH", remedy=f"apt-get install {kind.package}"
    )


def found_firmware() -> Path | None:
    """The small firmware qboot, when this QEMU package has it."""
    return _QBOOT if _QBOOT.is_file() else None


def arguments(machine: Machine, wiring: Wiring) -> list[str]:
    """QEMU's arguments: no device that is not asked for, no configuration file, no window, no reboot."""
    board, kind = machine.board, machine.board.architecture
    return [
        *("-name", f"{machine.name},debug-threads=on,process={kind.program}"),
        *HARDENED,
        *("-L", str(_DATA)),
        *("-machine", ",".join([board.name, f"accel={machine.accelerator}", *board.options])),
        *("-cpu", kind.cpu_model, "-smp", str(machine.cpus), "-m", f"{machine.memory_bytes >> 10}K"),
        *(("-bios", str(machine.firmware)) if machine.firmware else ()),
        *("-kernel", wiring.kernel, "-initrd", wiring.initramfs),
        *("-append", " ".join(_kernel_words(machine))),
        *("-chardev", f"socket,id=console,fd={wiring.console}", *board.console),
        *("-chardev", f"socket,id=agent,fd={wiring.agent}", *board.agent),
        *("-chardev", f"socket,id=monitor,fd={wiring.monitor}", "-mon", "chardev=monitor,mode=control"),
        *_network(machine),
    ]


def _kernel_words(machine: Machine) -> list[str]:
    """The last two go on to the programs inside: the name, and where the agent finds its port."""
    board = machine.board
    console = [f"console={board.console_port}"] if board.console_port else []
    last = [f"hostname={machine.name}", f"agent={board.agent_port}"]
    return [*console, *KERNEL_WORDS, *board.architecture.kernel_words, *last]


def _network(machine: Machine) -> tuple[str, ...]:
    """A card whose other end is QEMU itself: with restrict=on it reaches neither this machine nor the world."""
    if not machine.network:
        return ("-nic", "none")
    return ("-netdev", "user,id=net,restrict=on", "-device", f"{machine.board.network_card},netdev=net")
