"""The seccomp filter, run here by a small BPF machine of the test's own (linux/filter.h, linux/bpf_common.h)."""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path

import pytest

from sandboxes.bare.filter import DENIED, available, program

ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
MACHINES = {"x86_64": (0xC000003E, 0, 56), "aarch64": (0xC00000B7, 1, 220)}
HEADER = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")


def judged(code: bytes, number: int, architecture: int, first_argument: int = 0) -> int:
    """What the filter returns for one call: struct seccomp_data is number, architecture, address, six arguments."""
    data = struct.pack("<IIQ6Q", number, architecture, 0, first_argument, 0, 0, 0, 0, 0)
    instructions = list(struct.iter_unpack("HBBI", code))
    accumulator, at = 0, 0
    while True:
        kind, if_true, if_false, value = instructions[at]
        at += 1
        if kind == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif kind == 0x06:
            return int(value)
        else:
            true = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[kind]
            at += if_true if true else if_false


@pytest.mark.parametrize("machine", MACHINES)
def test_each_call_of_the_list_is_refused_and_its_neighbours_are_not(machine: str) -> None:
    architecture, column, clone = MACHINES[machine]
    code, refused = program(machine=machine), {numbers[column] for numbers in DENIED.values()}
    for number in range(500):
        expected = EPERM if number in refused else ENOSYS if number == 435 else ALLOW
        assert judged(code, number, architecture) == expected, number
    assert clone not in refused


@pytest.mark.parametrize("machine", MACHINES)
def test_a_new_process_is_allowed_and_a_new_namespace_is_not(machine: str) -> None:
    architecture, _, clone = MACHINES[machine]
    code = program(machine=machine)
    assert judged(code, clone, architecture, 0x11) == ALLOW
    for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert judged(code, clone, architecture, flag | 0x11) == EPERM, hex(flag)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_of_another_architecture_are_no_way_around(machine: str) -> None:
    assert judged(program(machine=machine), 1, 0x40000003) == EPERM


def test_the_x32_numbers_are_no_way_around() -> None:
    assert judged(program(machine="x86_64"), 0x40000000 | 1, MACHINES["x86_64"][0]) == EPERM


def test_a_shorter_list_refuses_only_what_it_names() -> None:
    code = program(["keyctl"], machine="x86_64")
    assert judged(code, DENIED["keyctl"][0], 0xC000003E) == EPERM
    assert judged(code, DENIED["mount"][0], 0xC000003E) == ALLOW


def test_a_machine_whose_numbers_are_not_known_has_no_filter() -> None:
    assert not available("riscv64")


@pytest.mark.skipif(not HEADER.exists(), reason="the kernel's headers for user programs are not installed")
def test_the_numbers_are_those_of_the_kernel_s_headers() -> None:
    numbers = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", HEADER.read_text())}
    assert {name: numbers[name] for name in DENIED} == {name: pair[0] for name, pair in DENIED.items()}
    generic = Path("/usr/include/asm-generic/unistd.h").read_text()
    for name, (_, number) in DENIED.items():
        assert re.search(rf"#define __NR(?:3264)?_{name}\s+{number}\b", generic), name
