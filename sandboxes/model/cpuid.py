"""What a processor says about itself, and what a hypervisor says in its place."""

from __future__ import annotations

from dataclasses import dataclass

HYPERVISOR_LEAF = 0x40000000
"""From here on no processor answers: these leaves are left to hypervisors (arch/x86/include/asm/hypervisor.h)."""


@dataclass(frozen=True)
class CpuidLeaf:
    """One answer of the instruction CPUID: four registers of 32 bits."""

    number: int
    eax: int
    ebx: int
    ecx: int
    edx: int


@dataclass(frozen=True)
class Cpuid:
    """`vendor` is such as "GenuineIntel"; `hypervisor` such as "KVMKVMKVM", "TCGTCGTCGTCG" or "XenVMMXenVMM".

    `hypervisor` is None where none shows itself: bit 31 of ECX in leaf 1 says whether one does.
    """

    vendor: str
    hypervisor: str | None
    leaves: tuple[CpuidLeaf, ...]
