"""What QEMU emulates for a guest: where its code meets what the guest does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sandboxes.guests.devices import parse_devices
from sandboxes.guests.monitor import Monitor
from sandboxes.model import Region, Surface

MEMORY, PORTS = "memory", "I/O"
"""QEMU's names for the two address spaces: what the processor reaches with loads and stores, and with in and out."""

_ROW = re.compile(r"^\s+([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, ([^)]+)\): (.+?)(?: @[0-9a-f]{16})?(?: KVM)?$")
_SPACE = re.compile(r'^ AS "([^"]+)", root: ')
_NOBODY = "io"
"""The empty background of the port space: reading it gives ones, writing does nothing."""


def surface(monitor: Monitor) -> Surface:
    """Asked from QEMU's monitor. Raises MonitorLost.

    Source: qemu-monitor(7), "info qtree" and "info mtree -f"; QEMU machine protocol, query-pci and qom-list-types.
    """
    qtree = _told(monitor, "info qtree")
    regions = parse_regions(_told(monitor, "info mtree -f"))
    kinds = monitor.execute("qom-list-types", implements="device", abstract=False)
    return Surface(
        board=str(monitor.execute("qom-get", path="/machine", property="type")).removesuffix("-machine"),
        devices=parse_devices(qtree),
        memory_regions=tuple(region for region in regions if region.space == MEMORY),
        port_regions=tuple(region for region in regions if region.space == PORTS),
        pci_functions=sum(1 for bus in monitor.execute("query-pci") for _ in _functions(bus["devices"])),
        qtree_lines=len(qtree.splitlines()),
        device_kinds=len(kinds),
    )


def parse_regions(mtree: str) -> tuple[Region, ...]:
    """The emulated ranges of addresses in what `info mtree -f` prints: those whose reads and writes run QEMU's code.

    Memory of the guest itself (ram, rom) is left out.
    """
    found: list[Region] = []
    spaces: set[str] = set()
    for line in mtree.splitlines():
        if line.startswith("FlatView"):
            spaces = set()
        elif match := _SPACE.match(line):
            spaces.add(match[1])
        elif (match := _ROW.match(line)) and match[3] == "i/o":
            start, end = int(match[1], 16), int(match[2], 16)
            found += [Region(space, match[4], start, end + 1 - start) for space in (MEMORY, PORTS) if space in spaces]
    return tuple(region for region in found if region.name != _NOBODY)


def _functions(devices: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each function on a PCI bus and on the buses behind it (QMP reference, PciDeviceInfo)."""
    for function in devices:
        yield function
        yield from _functions(function.get("pci_bridge", {}).get("devices", []))


def _told(monitor: Monitor, line: str) -> str:
    return str(monitor.execute("human-monitor-command", **{"command-line": line}))
