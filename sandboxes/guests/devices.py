"""QEMU's own list of the devices that a guest can see."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sandboxes.model import Device

_DEVICE = re.compile(r"^(\s*)dev: ([^,\s]+)")
_BUS = re.compile(r"^(\s*)bus: ")
_DETAIL = re.compile(r"^\s*(class .*|(?:index|iobase|irq|master|addr) = .*|mmio [0-9a-f]{8}.*)$")

_KINDS = {
    "isa-serial": "serial",
    "mc146818rtc": "clock",
    "isa-pit": "clock",
    "hpet": "clock",
    "isa-i8259": "interrupts",
    "ioapic": "interrupts",
    "fw_cfg_io": "firmware",
    "fw_cfg_mem": "firmware",
    "i8042": "input",
    "ps2-kbd": "input",
    "ps2-mouse": "input",
    "i8257": "dma",
    "isa-pcspk": "sound",
}
"""A device's kind by QEMU's name for its type; what sits on the PCI bus is "pci", and the rest "board"."""


def parse_devices(qtree: str) -> tuple[Device, ...]:
    """Devices out of what QEMU's monitor prints for `info qtree`, in its order.

    Source: qemu-monitor(7), "info qtree"; the text is meant for people and differs between versions in its details.
    """
    return tuple(_device(name, block) for name, block in _blocks(qtree))


def _blocks(qtree: str) -> Iterator[tuple[str, list[str]]]:
    """Name of each device and the lines about itself: up to the next device or the bus that it provides."""
    name, block = "", list[str]()
    for line in qtree.splitlines():
        if match := _DEVICE.match(line):
            if name:
                yield name, block
            name, block = match[2], []
        elif _BUS.match(line):
            if name:
                yield name, block
            name = ""
        else:
            block.append(line)
    if name:
        yield name, block


def _device(name: str, block: list[str]) -> Device:
    details = [match[1].strip() for line in block if (match := _DETAIL.match(line))]
    on_pci = next((detail for detail in details if detail.startswith("class ")), None)
    if on_pci:
        return Device(name, "pci", on_pci)
    return Device(name, _KINDS.get(name, "board"), ", ".join(details))
