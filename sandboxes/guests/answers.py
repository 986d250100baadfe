"""Answers of QEMU's machine protocol -> records. Source of each: the QEMU QMP reference manual."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sandboxes.model import BlockDevice, Migration, PciDevice, Thread, VirtioDevice, VirtualCpu

Answer = Mapping[str, Any]


def cpus_of(answer: Iterable[Answer], threads: Iterable[Thread]) -> tuple[VirtualCpu, ...]:
    """`query-cpus-fast`, and the threads of QEMU's process that it names; one without a live thread is left out."""
    by_number = {thread.tid: thread for thread in threads}
    pairs = ((cpu["cpu-index"], by_number.get(cpu["thread-id"])) for cpu in answer)
    return tuple(VirtualCpu(index, thread) for index, thread in pairs if thread)


def pci_of(answer: Iterable[Answer]) -> tuple[PciDevice, ...]:
    """`query-pci`: the devices of every bus, those behind a bridge after it."""
    return tuple(device for bus in answer for device in _on_bus(bus["devices"]))


def virtio_of(answer: Iterable[Answer]) -> tuple[VirtioDevice, ...]:
    """`x-query-virtio` (QEMU 7.2)."""
    return tuple(VirtioDevice(device["name"], device["path"]) for device in answer)


def blocks_of(answer: Iterable[Answer]) -> tuple[BlockDevice, ...]:
    """`query-block`."""
    return tuple(_block(device) for device in answer)


def migration_of(answer: Answer) -> Migration:
    """`query-migrate`, which is empty as long as there was none."""
    return Migration(
        status=answer.get("status", "none"),
        total_ms=answer.get("total-time"),
        downtime_ms=answer.get("downtime"),
        ram_bytes=answer.get("ram", {}).get("transferred"),
    )


def _on_bus(devices: Iterable[Answer]) -> Iterator[PciDevice]:
    for device in devices:
        kind, ids = device["class_info"], device["id"]
        yield PciDevice(
            bus=device["bus"],
            slot=device["slot"],
            function=device["function"],
            kind=kind.get("desc", f"class {kind['class']:04x}"),
            vendor_id=ids["vendor"],
            device_id=ids["device"],
        )
        yield from _on_bus(device.get("pci_bridge", {}).get("devices", ()))


def _block(device: Answer) -> BlockDevice:
    inserted = device.get("inserted")
    if inserted is None:
        return BlockDevice(device["device"] or device.get("qdev", ""), None, None)
    return BlockDevice(device["device"] or device.get("qdev", ""), inserted["file"], inserted["ro"])
