"""CPUID: asked of this machine's processor, and read from what the program `cpuid` printed anywhere.

Source: Intel SDM vol. 2, CPUID (leaves 0 and 1); Documentation/virt/kvm/x86/cpuid.rst (leaf 0x40000000).
"""

from __future__ import annotations

import os
import subprocess

from sandboxes.cpuid import cpuid_program
from sandboxes.errors import Unavailable
from sandboxes.model import Cpuid, CpuidLeaf
from sandboxes.model.cpuid import HYPERVISOR_LEAF

LEAVES = tuple(f"{leaf:x}" for leaf in (0, 1, *range(HYPERVISOR_LEAF, HYPERVISOR_LEAF + 6)))
"""What parse_cpuid wants to be asked."""

_HAS_HYPERVISOR = 1 << 31


def cpuid() -> Cpuid:
    """What a program on this machine is told. Raises Unavailable on another kind of processor than x86-64.

    Source: the instruction CPUID, executed in a process of its own.
    """
    handle = os.memfd_create("cpuid")
    try:
        os.write(handle, cpuid_program())
        words = (f"/proc/self/fd/{handle}", *LEAVES)
        done = subprocess.run(words, pass_fds=[handle], capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(
            "This machine does not answer CPUID.", seen=str(error), remedy="it takes a processor of the kind x86-64"
        ) from error
    finally:
        os.close(handle)
    return parse_cpuid(done.stdout)


def parse_cpuid(said: str) -> Cpuid:
    """From what `cpuid` printed for LEAVES. Leaves above the highest that a hypervisor names are left out.

    Raises ValueError when it is not complete.
    """
    leaves = tuple(CpuidLeaf(*(int(word, 16) for word in line.split())) for line in said.splitlines())
    known = {leaf.number: leaf for leaf in leaves}
    if not {0, 1, HYPERVISOR_LEAF} <= known.keys():
        raise ValueError(f"not the leaves that were asked for: {said[:80]!r}")
    base = known[HYPERVISOR_LEAF]
    there = bool(known[1].ecx & _HAS_HYPERVISOR)
    highest = max(base.eax, HYPERVISOR_LEAF + 1) if there else 0  # KVM once wrote 0 there and meant the first
    return Cpuid(
        vendor=_text(known[0].ebx, known[0].edx, known[0].ecx),
        hypervisor=_text(base.ebx, base.ecx, base.edx) if there else None,
        leaves=tuple(leaf for leaf in leaves if leaf.number < HYPERVISOR_LEAF or leaf.number <= highest),
    )


def _text(*registers: int) -> str:
    return b"".join(register.to_bytes(4, "little") for register in registers).rstrip(b"\0").decode(errors="replace")
