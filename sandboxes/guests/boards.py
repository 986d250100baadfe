"""The computers that QEMU can be for a guest: which processor, which devices, and where the agent's port is.

Source: the QEMU system emulation guide, "i440fx PC", "microvm", "'virt' generic virtual platform", "s390x".
"""

from __future__ import annotations

from collections.abc import Sequence
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
    a guest with a network gets, `balloon` the one that takes memory back; None: its kernel would not find one.
    `own_firmware` names what runs first unless another firmware is given. `most_cpus` is how many processors its kernel
    would find. `power_button`: guests heed it; `off` is the command that ends QEMU from inside.
    """

    name: str
    architecture: Architecture
    options: tuple[str, ...] = ()
    console: tuple[str, ...] = _SERIAL_CONSOLE
    console_port: str | None = "ttyS0"
    agent: tuple[str, ...] = _SERIAL_AGENT
    agent_port: str = "/dev/ttyS1"
    network_card: str | None = "virtio-net-pci,romfile="
    balloon: str | None = "virtio-balloon-pci"
    own_firmware: str = "SeaBIOS"
    most_cpus: int | None = None
    power_button: bool = False
    off: str = "poweroff"


Q35 = Board("q35", X86_64, ("sata=off", "smbus=off", "vmport=off"), power_button=True)
PC = Board("pc", X86_64, ("smbus=off", "vmport=off"), power_button=True)
MICROVM = Board(
    "microvm",
    X86_64,
    ("acpi=off",),  # with ACPI, and without being told the clock's rate, its kernel hangs now and then on a busy host
    agent=("-device", "isa-serial,chardev=agent,index=1"),
    network_card=None,
    balloon=None,  # without ACPI this kernel finds no virtio-mmio device
    most_cpus=1,  # nor a second processor
    off="reboot",  # nothing there could switch it off, and QEMU ends instead of rebooting
)
VIRT = Board(
    "virt",
    ARM64,
    console_port="ttyAMA0",
    agent=("-device", "pci-serial,chardev=agent"),  # the board itself has one serial port
    agent_port="/dev/ttyS0",
    network_card=None,
    balloon=None,
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
    balloon=None,
    own_firmware="none",
)

_ALL = (Q35, PC, MICROVM, VIRT, S390_CCW)
BOARDS = {board.name: board for board in _ALL}
"""The first of each architecture is the one that its guests get when none is asked for."""


def chosen_board(board: str | None, architecture: str | None) -> Board:
    """The board asked for, or the architecture's first; x86-64's first when neither is named.

    Raises BadRequest for an unknown name, and for a board of another architecture.
    """
    kind = None if architecture is None else request.one_of("architecture", architecture, ARCHITECTURES)
    if board is None:
        found = next(board for board in BOARDS.values() if board.architecture.name == (kind or X86_64.name))
    else:
        found = BOARDS[request.one_of("board", board, BOARDS)]
    if kind not in (None, found.architecture.name):
        fitting = [name for name, other in BOARDS.items() if other.architecture.name == kind]
        raise BadRequest("board", f"is no board for {kind}.", seen=found.name, remedy="one of " + ", ".join(fitting))
    return found


def check_board(board: Board, *, cpus: int, network: bool) -> None:
    """Nothing when the board can have that. Raises BadRequest."""
    if network and board.network_card is None:
        raise _not_there(
            "network", "has no card on this board.", board, [other for other in _ALL if other.network_card]
        )
    if board.most_cpus and cpus > board.most_cpus:
        able = [other for other in _ALL if not other.most_cpus or other.most_cpus >= cpus]
        raise _not_there("cpus", f"is more than {board.name} has.", board, able)


def _not_there(field: str, what: str, board: Board, able: Sequence[Board]) -> BadRequest:
    names = ", ".join(other.name for other in able)
    return BadRequest(field, what, seen=board.name, remedy=f"leave it out, or use one of the boards {names}")
