"""The virtual machine as QEMU's arguments. Source of each: qemu-system-x86_64(1)."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

PROGRAM = "qemu-system-x86_64"
BOARD = "q35"
CPU_MODEL = "max"

TRANSLATION_BYTES = 256 << 20
"""For the code that an emulated guest's instructions are translated to; when it is full, QEMU begins anew."""

_QBOOT = Path("/usr/share/qemu/qboot.rom")
_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

KERNEL_WORDS = (
    "console=ttyS0",
    "quiet",
    "panic=-1",  # a panic reboots at once, which -no-reboot turns into the end of QEMU
    "reboot=t",
    "cryptomgr.notests",  # self-tests of ciphers: about 0.3 s of an emulated boot
    "no_timer_check",
    "random.trust_cpu=on",
)
"""Documentation/admin-guide/kernel-parameters.rst."""


@dataclass(frozen=True)
class Machine:
    """What a guest is made of. `firmware` is the file that -bios names; None: QEMU's default, SeaBIOS."""

    name: str
    memory_bytes: int
    cpus: int
    network: bool
    accelerator: str
    firmware: Path | None

    @property
    def firmware_name(self) -> str:
        return "qboot" if self.firmware else "SeaBIOS"


@dataclass(frozen=True)
class Wiring:
    """What QEMU opens or inherits: paths of kernel and initramfs, numbers of the inherited sockets.

    `state` is the number of an open file with the state of a machine that goes on here instead of booting.
    """

    kernel: str
    initramfs: str
    console: int
    agent: int
    monitor: int
    state: int | None = None


def found_program() -> str | None:
    """Path of QEMU; starts nothing."""
    return shutil.which(PROGRAM)


def found_firmware() -> Path | None:
    """The small firmware qboot, when this QEMU package has it."""
    return _QBOOT if _QBOOT.is_file() else None


def arguments(machine: Machine, wiring: Wiring) -> list[str]:
    """QEMU's arguments: no device that is not asked for, no configuration file, no window, no reboot.

    The sandbox option makes QEMU drop, by seccomp(2), the calls that a device emulator has no use for.
    """
    return [
        *("-name", f"{machine.name},debug-threads=on"),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-sandbox", _SANDBOX),
        *("-machine", f"{BOARD},sata=off,smbus=off,vmport=off", "-accel", _accelerator(machine)),
        *("-cpu", CPU_MODEL, "-smp", str(machine.cpus), "-m", f"{machine.memory_bytes >> 10}K"),
        *(("-bios", str(machine.firmware)) if machine.firmware else ()),
        *_beginning(machine, wiring),
        *("-chardev", f"socket,id=console,fd={wiring.console}", "-serial", "chardev:console"),
        *("-chardev", f"socket,id=agent,fd={wiring.agent}", "-serial", "chardev:agent"),
        *("-chardev", f"socket,id=monitor,fd={wiring.monitor}", "-mon", "chardev=monitor,mode=control"),
        *("-device", "virtio-balloon-pci,id=balloon"),
        *_network(machine),
    ]


def _accelerator(machine: Machine) -> str:
    return "kvm" if machine.accelerator == "kvm" else f"tcg,tb-size={TRANSLATION_BYTES >> 20}"


def _beginning(machine: Machine, wiring: Wiring) -> tuple[str, ...]:
    if wiring.state is not None:
        return ("-incoming", f"fd:{wiring.state}")
    words = " ".join([*KERNEL_WORDS, f"hostname={machine.name}"])
    return ("-kernel", wiring.kernel, "-initrd", wiring.initramfs, "-append", words)


def _network(machine: Machine) -> tuple[str, ...]:
    """A card whose other end is QEMU itself: with restrict=on it reaches neither this machine nor the world."""
    if not machine.network:
        return ("-nic", "none")
    return ("-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net,romfile=")
