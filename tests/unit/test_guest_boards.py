"""A board or a kind of processor is a record; what cannot go together is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from sandboxes.errors import BadRequest
from sandboxes.guests.architectures import ARCHITECTURES, ARM64
from sandboxes.guests.boards import BOARDS, MICROVM, PC, Q35, S390_CCW, VIRT, check_board, chosen_board
from sandboxes.guests.initramfs import applets_in
from sandboxes.guests.inside import parse_cpu
from sandboxes.guests.machine import Machine, Wiring, arguments
from sandboxes.guests.surface import MEMORY, PORTS, emulated
from sandboxes.guests.system import linux_words
from sandboxes.model import AddressSpace, MemoryRange

WIRING = Wiring(5, 6, 7, "defer")


def machine(name: str) -> Machine:
    return Machine("vm", 256 << 20, 1, network=False, accelerator="tcg", firmware=None, board=BOARDS[name])


@pytest.mark.parametrize(
    ("board", "architecture", "chosen"),
    [
        (None, None, Q35),
        (None, "x86-64", Q35),
        (None, "arm64", VIRT),
        (None, "s390x", S390_CCW),
        ("pc", None, PC),
        ("microvm", "x86-64", MICROVM),
        ("virt", None, VIRT),
    ],
)
def test_a_board_names_its_processor_and_a_processor_has_a_usual_board(
    board: str | None, architecture: str | None, chosen: object
) -> None:
    assert chosen_board(board, architecture) is chosen


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("board", {"board": "Q35", "architecture": None}),
        ("board", {"board": "microvm,acpi=on", "architecture": None}),
        ("board", {"board": 5, "architecture": None}),
        ("architecture", {"board": None, "architecture": "riscv64"}),
        ("board", {"board": "q35", "architecture": "arm64"}),
        ("board", {"board": "virt", "architecture": "x86-64"}),
    ],
)
def test_what_cannot_be_is_refused_by_name(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as raised:
        chosen_board(**arguments)
    assert raised.value.field == field


@pytest.mark.parametrize(("field", "wanted"), [("network", {"network": True}), ("cpus", {"cpus": 2})])
def test_what_a_board_does_not_have_is_refused_and_others_are_named(field: str, wanted: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"cpus": 1, "network": False}
    check_board(MICROVM, **usual)
    check_board(Q35, **usual | wanted)
    with pytest.raises(BadRequest, match="q35") as raised:
        check_board(MICROVM, **usual | wanted)
    assert raised.value.field == field


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_kind_of_processor_has_a_board(architecture: str) -> None:
    assert chosen_board(None, architecture).architecture.name == architecture


@pytest.mark.parametrize("name", BOARDS)
def test_the_agent_is_told_its_port_and_both_ports_are_connected(name: str) -> None:
    assert f"agent={BOARDS[name].agent_port}" in linux_words(machine(name))
    words = " ".join(arguments(machine(name), WIRING))
    assert words.count("chardev=console") + words.count("chardev:console") == 1
    assert words.count("chardev=agent") + words.count("chardev:agent") == 1


def test_a_kernel_that_knows_its_console_is_told_none() -> None:
    assert not [word for word in linux_words(machine("s390-ccw-virtio")) if word.startswith("console=")]
    assert "console=ttyAMA0" in linux_words(machine(chosen_board(None, ARM64.name).name))


def test_applets_are_read_from_a_busybox_that_cannot_run_here() -> None:
    program = b"\x7fELF\x01\0junk\0[\0[[\0ash\0busybox\0zcat\0\0more\0"
    assert applets_in(program) == ("[", "[[", "ash", "zcat")


@pytest.mark.parametrize(
    ("cpuinfo", "cpu"),
    [
        ("processor\t: 0\nmodel name\t: QEMU TCG CPU version 2.5+\n", "QEMU TCG CPU version 2.5+"),
        ("CPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd07\n", "CPU implementer 0x41, CPU part 0xd07"),
        (
            "vendor_id       : IBM/S390\n# processors    : 1\nmachine         : 8561\n",
            "vendor_id IBM/S390, machine 8561",
        ),
        ("", ""),
    ],
)
def test_a_processor_is_told_in_the_words_of_its_own_kind(cpuinfo: str, cpu: str) -> None:
    assert parse_cpu(cpuinfo) == cpu


def test_only_what_runs_qemus_code_counts_as_emulated() -> None:
    spaces = (
        AddressSpace(("I/O",), (MemoryRange(0, 0x1F, "i/o", "io"), MemoryRange(0x3F8, 0x3FF, "i/o", "serial"))),
        AddressSpace(
            ("memory", "cpu-memory-0"),
            (MemoryRange(0, 0xFFFF, "ram", "pc.ram"), MemoryRange(0xFEC00000, 0xFEC00FFF, "i/o", "ioapic")),
        ),
    )
    assert [found.name for found in emulated(spaces, MEMORY)] == ["ioapic"]
    assert [found.name for found in emulated(spaces, PORTS)] == ["serial"]
