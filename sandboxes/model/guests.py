"""Virtual machines and what they run on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sandboxes.model.machine import Host, Process, Thread


@dataclass(frozen=True)
class Accelerator:
    """How guests execute: "kvm" or "tcg" (emulated). `proof` says in a sentence how that was established."""

    name: str
    proof: str

    @property
    def emulated(self) -> bool:
        return self.name == "tcg"


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
    (Documentation/filesystems/proc.rst, smaps_rollup). `inside_*` were reported by the guest's kernel.
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
    inside_boot_id: str
    inside_cpu: str
    inside_memory_bytes: int
    inside_namespaces: Mapping[str, int]
    inside_processes: tuple[Process, ...]
    host: Host
