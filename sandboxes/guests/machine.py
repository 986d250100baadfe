"""The virtual machine as QEMU's arguments. Source of each: qemu-system-x86_64(1), and the other processors' pages."""

from __future__ import annotations

import re
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
SECCOMP = ("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny")
"""QEMU gives up, by seccomp(2), the calls that a device emulator has no use for."""

HARDENED = ("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", *SECCOMP)
"""Nothing that is not asked for."""

TRACED = ("-trace", "fw_cfg_select", "-msg", "timestamp=on")
"""When the machine is reset, and each time that the firmware asks for a file (docs/devel/tracing.rst).

No event of QEMU's own run state: with one of those qboot starts a kernel that is not there yet (QEMU 7.2).
"""


@dataclass(frozen=True)
class Machine:
    """What a guest is made of. `firmware` is the file that -bios names; None: what the board has itself.

    `devices` are further words for QEMU, and `cpu_model` another model than the one that is usual for the board.
    `stock`: as plain QEMU would make it, with its default board, firmware and devices, whatever `board` says.
    `containers`: it carries what its own containers need.
    `trace`: QEMU logs when the processors begin and what the firmware loads, the kernel each of its own steps.
    """

    name: str
    memory_bytes: int
    cpus: int
    network: bool
    accelerator: str
    firmware: Path | None
    board: Board = Q35
    devices: tuple[str, ...] = ()
    cpu_model: str | None = None
    stock: bool = False
    containers: bool = False
    trace: bool = False


@dataclass(frozen=True)
class Boot:
    """QEMU loads this: the kernel and, as -initrd names them, the other files; `words` is the command line."""

    kernel: str
    loaded: str
    words: str


@dataclass(frozen=True)
class Wiring:
    """What QEMU opens or inherits: numbers of the inherited sockets, and how the machine begins.

    `begins`: it boots, or takes over a state from where -incoming says. `memory`: a file that is the guest's memory,
    and is `shared` or only read from; None: memory of its own.
    """

    console: int
    agent: int
    monitor: int
    begins: Boot | str
    memory: str | None = None
    shared: bool = False


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


def firmware_of(command: str, board: Board) -> str:
    """The name of what runs first, from QEMU's command line: the file that -bios names, else the board's own."""
    named = re.search(r" -bios (\S+)", command)
    return Path(named[1]).stem if named else board.own_firmware


def arguments(machine: Machine, wiring: Wiring) -> list[str]:
    """QEMU's arguments: no device that is not asked for, no configuration file, no window, no reboot."""
    if machine.stock:
        return _stock_arguments(machine, wiring)
    board, kind = machine.board, machine.board.architecture
    return [
        *("-name", f"{machine.name},debug-threads=on,process={kind.program}"),
        *HARDENED,
        *("-L", str(_DATA)),
        *("-machine", ",".join([board.name, *board.options, "memory-backend=ram"])),
        *("-accel", accelerated(machine.accelerator)),
        *("-cpu", _processor(machine), "-smp", str(machine.cpus)),
        *("-m", f"{machine.memory_bytes >> 10}K", "-object", _memory(machine, wiring)),
        *(("-bios", str(machine.firmware)) if machine.firmware else ()),
        *_beginning(wiring),
        *("-chardev", f"socket,id=console,fd={wiring.console}", *board.console),
        *("-chardev", f"socket,id=agent,fd={wiring.agent}", *board.agent),
        *("-chardev", f"socket,id=monitor,fd={wiring.monitor}", "-mon", "chardev=monitor,mode=control"),
        *(("-device", f"{board.balloon},id=balloon") if board.balloon else ()),
        *_network(machine),
        *machine.devices,
        *(TRACED if machine.trace else ()),
    ]


def accelerated(name: str) -> str:
    """As -accel takes it: the store of an emulator is bounded, which costs no time that could be measured."""
    return f"tcg,tb-size={TRANSLATION_BYTES >> 20}" if name == "tcg" else name


def _processor(machine: Machine) -> str:
    """Source: "CPU model configuration" in QEMU's system emulation guide; the kernel's arch/x86/lib/memcpy_64.S."""
    kind = machine.board.architecture
    without = kind.slow_features if machine.accelerator == "tcg" and machine.cpu_model is None else ()
    return ",".join([machine.cpu_model or kind.cpu_model, *(f"{feature}=off" for feature in without)])


def _stock_arguments(machine: Machine, wiring: Wiring) -> list[str]:
    """Plain QEMU with all that it has by default; only its card's other end is QEMU itself, not the world.

    The second serial port is there for the same ready mark that our own guests are timed by.
    """
    return [
        *("-name", f"{machine.name},debug-threads=on,process={PROGRAM}"),
        *(
            "-accel",
            accelerated(machine.accelerator),
            "-smp",
            str(machine.cpus),
            "-m",
            f"{machine.memory_bytes >> 10}K",
        ),
        *("-display", "none", "-nic", "user,restrict=on", "-no-reboot", *SECCOMP),
        *_beginning(wiring),
        *("-chardev", f"socket,id=console,fd={wiring.console}", "-serial", "chardev:console"),
        *("-chardev", f"socket,id=agent,fd={wiring.agent}", "-serial", "chardev:agent"),
        *("-chardev", f"socket,id=monitor,fd={wiring.monitor}", "-mon", "chardev=monitor,mode=control"),
        *(TRACED if machine.trace else ()),
    ]


def _memory(machine: Machine, wiring: Wiring) -> str:
    """Named, so that a state that was saved finds it again whatever it is made of."""
    size = f"id=ram,size={machine.memory_bytes >> 10}K"
    if wiring.memory is None:
        return f"memory-backend-ram,{size}"
    return f"memory-backend-file,{size},mem-path={wiring.memory},share={'on' if wiring.shared else 'off'}"


def _beginning(wiring: Wiring) -> tuple[str, ...]:
    if isinstance(wiring.begins, str):
        return ("-incoming", wiring.begins)
    boot = wiring.begins
    return ("-kernel", boot.kernel, "-initrd", boot.loaded, "-append", boot.words)


def _network(machine: Machine) -> tuple[str, ...]:
    """A card whose other end is QEMU itself: with restrict=on it reaches neither this machine nor the world."""
    if not machine.network:
        return ("-nic", "none")
    return ("-netdev", "user,id=net,restrict=on", "-device", f"{machine.board.network_card},netdev=net")
