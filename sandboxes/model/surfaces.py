"""What a hypervisor emulates for a guest: the places where the guest can reach its code."""

from __future__ import annotations

from dataclasses import dataclass

from sandboxes.model.emulator import MemoryRange, PciDevice
from sandboxes.model.guests import Device


@dataclass(frozen=True)
class Surface:
    """What one of QEMU's machines offers to a guest, hence what a guest can attack.

    `board` is QEMU's own name, with the version that it imitates ("pc-q35-7.2"). Accesses to the ranges run QEMU's
    code. `qtree_lines` is the length of QEMU's own description of its devices; `device_kinds` is how many kinds of
    device this QEMU program could emulate when asked.
    """

    board: str
    devices: tuple[Device, ...]
    memory_ranges: tuple[MemoryRange, ...]
    port_ranges: tuple[MemoryRange, ...]
    pci: tuple[PciDevice, ...]
    qtree_lines: int
    device_kinds: int

    @property
    def ports(self) -> int:
        """Port addresses behind which is a device, of 65,536."""
        return sum(found.size_bytes for found in self.port_ranges)
