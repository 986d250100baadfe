"""What a hypervisor emulates for a guest, as a count of places where a guest can reach its code."""

from __future__ import annotations

from dataclasses import dataclass

from sandboxes.model.guests import Device


@dataclass(frozen=True)
class Region:
    """A range of addresses behind which is a device: `space` is "memory" or "I/O" (ports)."""

    space: str
    name: str
    start: int
    size_bytes: int


@dataclass(frozen=True)
class Surface:
    """What one of QEMU's machines offers to a guest, hence what a guest can attack.

    `board` is QEMU's own name, with the version that it imitates ("pc-q35-7.2"). The regions are those whose accesses
    run QEMU's code. `qtree_lines` is the length of QEMU's own description of its devices; `device_kinds` is how many
    kinds of device this QEMU program could emulate when asked.
    """

    board: str
    devices: tuple[Device, ...]
    memory_regions: tuple[Region, ...]
    port_regions: tuple[Region, ...]
    pci_functions: int
    qtree_lines: int
    device_kinds: int

    @property
    def ports(self) -> int:
        """Port addresses behind which is a device, of 65,536."""
        return sum(region.size_bytes for region in self.port_regions)
