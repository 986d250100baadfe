"""The program that asks the processor, run for real on this machine; and what is read from what it prints."""

from __future__ import annotations

import platform
import re
import subprocess
from pathlib import Path

import pytest

from sandboxes import kernel
from sandboxes.cpuid import cpuid_program
from sandboxes.model import CpuidLeaf
from sandboxes.programs import is_static

on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="the program is machine code for x86-64")

IN_A_PARAVIRTUAL_DOMAIN = """00000000 0000000d 68747541 444d4163 69746e65
00000001 00060fb1 00000800 c0002001 078bf3fd
40000000 40000005 566e6558 65584d4d 4d4d566e
40000001 00040011 00000000 00000000 00000000
40000002 00000001 40000000 00000001 00000000
40000003 00000000 00000000 00000000 00000000
40000004 00000000 00000000 00000000 00000000
40000005 00000000 0000001e 00000000 00000000
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "cpuid"
    path.write_bytes(cpuid_program())
    path.chmod(0o755)
    return path


def test_it_is_small_static_and_always_the_same() -> None:
    assert cpuid_program() == cpuid_program()
    assert len(cpuid_program()) < 512
    assert is_static(cpuid_program())


@on_x86
def test_it_prints_a_line_for_each_leaf(program: Path) -> None:
    said = subprocess.run([program, "0", "40000000", "80000000"], capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"(?:[0-9a-f]{8}(?: [0-9a-f]{8}){4}\n){3}", said)
    assert [line.split()[0] for line in said.splitlines()] == ["00000000", "40000000", "80000000"]
    assert subprocess.run([program], capture_output=True, check=True).stdout == b""


@on_x86
def test_without_xen_its_prefix_is_no_instruction(program: Path) -> None:
    if Path("/sys/hypervisor/type").exists():
        pytest.skip("this machine runs on Xen")
    assert subprocess.run([program, "xen", "0"], capture_output=True, check=False).returncode == -4


@on_x86
def test_this_machine_answers_as_proc_cpuinfo_says() -> None:
    words = Path("/proc/cpuinfo").read_text()
    seen = kernel.cpuid()
    assert f": {seen.vendor}\n" in words
    assert (seen.hypervisor is not None) == (" hypervisor" in words)


def test_xen_is_recognised_and_all_its_leaves_are_kept() -> None:
    seen = kernel.parse_cpuid(IN_A_PARAVIRTUAL_DOMAIN)
    assert (seen.vendor, seen.hypervisor) == ("AuthenticAMD", "XenVMMXenVMM")
    assert len(seen.leaves) == 8
    assert seen.leaves[-1] == CpuidLeaf(0x40000005, 0, 0x1E, 0, 0)


def test_leaves_that_no_hypervisor_names_are_not_kept() -> None:
    kvm = IN_A_PARAVIRTUAL_DOMAIN.replace("40000005 566e6558", "40000001 566e6558")
    assert [leaf.number for leaf in kernel.parse_cpuid(kvm).leaves] == [0, 1, 0x40000000, 0x40000001]
    without = IN_A_PARAVIRTUAL_DOMAIN.replace("c0002001", "40002001")
    seen = kernel.parse_cpuid(without)
    assert (seen.hypervisor, [leaf.number for leaf in seen.leaves]) == (None, [0, 1])


@pytest.mark.parametrize("said", ["", "00000000 1 2 3 4\n", "Illegal instruction\n", "00000001 0 0\n"])
def test_an_answer_that_is_none_is_told(said: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        kernel.parse_cpuid(said)
