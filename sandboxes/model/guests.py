"""Virtual machines and what they run on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sandboxes.model.machine import Host, Process, Thread

EMULATED = "emulated: shows the mechanism, promises no security"
"""QEMU's developers give no security promise for tcg (docs/system/security.rst, "Non-virtualization Use Case")."""


@dataclass(frozen=True)
class Accelerator:
    """How guests execute: "kvm" or "tcg" (emulated). `proof` says in a sentence how that was established."""

    name: str
    proof: str

    @property
    def emulated(self) -> bool:
        return self.name == "tcg"

    @property
    def promise(self) -> str:
        """What stands between the guest and this machine, in a few words."""
        return EMULATED if self.emulated else "hardware-assisted: the processor keeps guest and host apart"


@dataclass(frozen=True)
class Device:
    """A virtual device that QEMU offers to a guest: `kind` is e.g. "serial" or "pci"; `detail` is QEMU's own text."""

    name: str
    kind: str
    detail: str


@dataclass(frozen=True)
class Guest:
    """A running virtual machine, seen from its host (the QEMU process) and from inside (its own kernel).

    `process` and `threads` belong to QEMU on the host; `pss_bytes` is its proportional share of memory
    (Documentation/filesystems/proc.rst, smaps_rollup). `inside_*` were reported by the guest's kernel:
    `inside_machine` is what uname(1) says, `inside_byte_order` "little-endian" or "big-endian". `started` says how
    it came to run: "template", "cold", "stock", or from which other state it was restored.
    """

    name: str
    process: Process
    threads: tuple[Thread, ...]
    pss_bytes: int
    seccomp: str
    qemu_version: str
    machine: str
    cpu_model: str
    firmware: str
    accelerator: Accelerator
    memory_bytes: int
    devices: tuple[Device, ...]
    boot_ms: float
    inside_kernel: str
    inside_machine: str
    inside_byte_order: str
    inside_boot_id: str
    inside_cpu: str
    inside_memory_bytes: int
    inside_namespaces: Mapping[str, int]
    inside_processes: tuple[Process, ...]
    host: Host
    started: str = "cold"

    @property
    def promise(self) -> str:
        """What its isolation is worth: EMULATED, or that the processor assists."""
        return self.accelerator.promise
