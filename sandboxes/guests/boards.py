"""The computers that QEMU can be for a guest: which processor, which devices, and where the agent's port is.

Source: the QEMU system emulation guide, "i440fx PC", "microvm", "'virt' generic virtual platform", "s390x".
"""

from __future__ import annotations

from dataclasses import dataclass

from sandboxes import request
from sandboxes.errors import BadRequest
from sandboxes.guests.architectures import ARCHITECTURES, ARM64, S390X, X86_64, Architecture

_SERIAL_CONSOLE = ("-serial", "chardev:console")
_SERIAL_AGENT = ("-serial", "chardev:agent")


@dataclass(frozen=True)
class Board:
    """One of QEMU's machines, as guests use it.

    `options` are sub-options of -machine. `console` and `agent` put the character devices of these names on a port;
    inside, the kernel writes to `console_port` and the agent listens on `agent_port`. `network_card` is the device that
    a guest with a network gets; None: its kernel would not find one. `own_firmware` names what runs first unless
    another firmware is given.
    """

    name: str
    architecture: Architecture
    options: tuple[str, ...] = ()
    console: tuple[str, ...] = _SERIAL_CONSOLE
    console_port: str | None = "ttyS0"
    agent: tuple[str, ...] = _SERIAL_AGENT
    agent_port: str = "/dev/ttyS1"
    network_card: str | None = "virtio-net-pci,romfile="
    own_firmware: str = "SeaBIOS"


Q35 = Board("q35", X86_64, ("sata=off", "smbus=off", "vmport=off"))
PC = Board("pc", X86_64, ("smbus=off", "vmport=off"))
MICROVM = Board(
    "microvm",
    X86_64,
    ("acpi=off",),  # with ACPI, and without being told the clock's rate, its kernel hangs now and then on a busy host
    agent=("-device", "isa-serial,chardev=agent,index=1"),
    network_card=None,  # without ACPI this kernel finds no virtio-mmio device
)
VIRT = Board(
    "virt",
    ARM64,
    console_port="ttyAMA0",
    agent=("-device", "pci-serial,chardev=agent"),  # the board itself has one serial port
    agent_port="/dev/ttyS0",
    network_card=None,
    own_firmware="none",
)
S390_CCW = Board(
    "s390-ccw-virtio",
    S390X,
    console=("-device", "sclpconsole,chardev=console"),
    console_port=None,  # the kernel finds it by itself
    agent=("-device", "virtio-serial-ccw", "-device", "virtserialport,chardev=agent,name=agent"),
    agent_port="/dev/vport0p1",
    network_card=None,
    own_firmware="none",
)

BOARDS = {board.name: board for board in (Q35, PC, MICROVM, VIRT, S390_CCW)}
"""The first of each architecture is the one that its guests get when none is asked for."""


def chosen_board(board: str | None, architecture: str | None, *, network: bool = False) -> Board:
    """The board asked for, or the architecture's first; x86-64's first when neither is named.

    Raises BadRequest for an unknown name, a board of another architecture, and a network where there is no card.
    """
    kind = None if architecture is None else request.one_of("architecture", architecture, ARCHITECTURES)
    if board is None:
        found = next(board for board in BOARDS.values() if board.architecture.name == (kind or X86_64.name))
    else:
        found = BOARDS[request.one_of("board", board, BOARDS)]
    if kind not in (None, found.architecture.name):
        fitting = [name for name, other in BOARDS.items() if other.architecture.name == kind]
        raise BadRequest("board", f"is no board for {kind}.", seen=found.name, remedy="one of " + ", ".join(fitting))
    if network and found.network_card is None:
        able = [name for name, other in BOARDS.items() if other.network_card]
        raise BadRequest(
            "network",
            "has no card on this board.",
            seen=found.name,
            remedy="network=False, or one of " + ", ".join(able),
        )
    return found
