"""What QEMU emulates for a guest: where its code meets what the guest does."""

from __future__ import annotations

from collections.abc import Iterable

from sandboxes.guests.address_spaces import parse_address_spaces
from sandboxes.guests.answers import pci_of
from sandboxes.guests.devices import parse_devices
from sandboxes.guests.monitor import Monitor
from sandboxes.model import AddressSpace, MemoryRange, Surface

MEMORY, PORTS = "memory", "I/O"
"""QEMU's names for the two address spaces: what a processor reaches with loads and stores, and with in and out."""

_NOBODY = "io"
"""The empty background of the port space: reading it gives ones, writing does nothing."""


def surface(monitor: Monitor) -> Surface:
    """Asked from QEMU's monitor. Raises MonitorLost.

    Source: qemu-monitor(7), "info qtree" and "info mtree -f"; QEMU machine protocol, query-pci and qom-list-types.
    """
    qtree = monitor.ask("info qtree")
    spaces = parse_address_spaces(monitor.ask("info mtree -f"))
    kinds = monitor.execute("qom-list-types", implements="device", abstract=False)
    return Surface(
        board=str(monitor.execute("qom-get", path="/machine", property="type")).removesuffix("-machine"),
        devices=parse_devices(qtree),
        memory_ranges=emulated(spaces, MEMORY),
        port_ranges=emulated(spaces, PORTS),
        pci=pci_of(monitor.execute("query-pci")),
        qtree_lines=len(qtree.splitlines()),
        device_kinds=len(kinds),
    )


def emulated(spaces: Iterable[AddressSpace], name: str) -> tuple[MemoryRange, ...]:
    """The ranges of one address space where reads and writes run QEMU's code: neither memory nor nothing."""
    return tuple(
        found
        for space in spaces
        if name in space.names
        for found in space.ranges
        if found.kind == "i/o" and found.name != _NOBODY
    )
