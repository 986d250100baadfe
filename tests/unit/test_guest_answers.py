"""What QEMU 7.2 answered, recorded from an emulated q35 guest, becomes records."""

from __future__ import annotations

from typing import Any

import pytest

from sandboxes.guests.address_spaces import parse_address_spaces
from sandboxes.guests.answers import blocks_of, cpus_of, migration_of, pci_of, virtio_of
from sandboxes.guests.translation import parse_translation
from sandboxes.model import BlockDevice, MemoryRange, Migration, Thread, Translation, VirtioDevice, VirtualCpu

MTREE = """FlatView #0
 AS "memory", root: system
 AS "cpu-memory-0", root: system
 Root memory region: system
  0000000000000000-000000000fffffff (prio 0, ram): pc.ram
  00000000000a0000-00000000000affff (prio 1, ram): vga.vram KVM
  00000000b0000000-00000000bfffffff (prio 0, i/o): pcie-mmcfg-mmio
  00000000fee00000-00000000feefffff (prio 4096, i/o): apic-msi
  00000000ffff0000-00000000ffffffff (prio 0, rom): pc.bios @0000000000010000

FlatView #1
 AS "I/O", root: io
 Root memory region: io
  0000000000000cfa-0000000000000cfb (prio 0, i/o): pci-conf-idx @0000000000000002

FlatView #2
 AS "mch", root: bus master container
 Root memory region: (none)
  No rendered FlatView
"""

JIT = """Translation buffer state:
gen code size       43662131/1073736704
TB count            80031
TB avg target size  17 max=1721 bytes
TB avg host size    304 bytes (expansion ratio: 17.4)
cross page TB count 210 (0%)

Statistics:
TB flush count      1
TB invalidate count 13430
TLB full flushes    0
[TCG profiler not compiled]
"""


def test_an_address_space_lists_what_answers_where() -> None:
    memory, ports = parse_address_spaces(MTREE)
    assert memory.names == ("memory", "cpu-memory-0")
    assert memory.ranges[0] == MemoryRange(0, 0xFFFFFFF, "ram", "pc.ram")
    assert [one.name for one in memory.ranges] == ["pc.ram", "vga.vram", "pcie-mmcfg-mmio", "apic-msi", "pc.bios"]
    assert memory.ranges[0].size_bytes == 256 << 20
    assert [(one.name, one.size_bytes) for one in ports.ranges] == [("pci-conf-idx", 2)]


def test_figures_of_the_translator() -> None:
    assert parse_translation(JIT) == Translation(43662131, 1073736704, 80031, 17.4, 1, 13430)


@pytest.mark.parametrize("said", ["JIT information is only available with accel=tcg", "", JIT.replace("TB count", "")])
def test_where_nothing_is_translated_there_are_no_figures(said: str) -> None:
    assert parse_translation(said) is None


def test_a_processor_is_the_thread_that_qemu_names() -> None:
    answer = [{"thread-id": 27, "cpu-index": 0}, {"thread-id": 99, "cpu-index": 1}]
    threads = (Thread(26, "qemu-system-x86", 1.0), Thread(27, "CPU 0/TCG", 9.0))
    assert cpus_of(answer, threads) == (VirtualCpu(0, threads[1]),)


def pci(slot: int, kind: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"bus": 0, "slot": slot, "function": 0, "class_info": kind, "id": {"vendor": 1, "device": slot}, **more}


def test_devices_behind_a_bridge_follow_it() -> None:
    behind = {"devices": [pci(7, {"class": 255})]}
    buses = [{"devices": [pci(1, {"class": 1540, "desc": "PCI bridge"}, pci_bridge=behind), pci(2, {"class": 4})]}]
    found = pci_of(buses)
    assert [(device.slot, device.kind) for device in found] == [(1, "PCI bridge"), (7, "class 00ff"), (2, "class 0004")]


def test_virtio_devices_and_disks_have_names() -> None:
    assert virtio_of([{"name": "virtio-net", "path": "/machine/x"}]) == (VirtioDevice("virtio-net", "/machine/x"),)
    disk = {"device": "disk0", "inserted": {"file": "/tmp/a", "ro": True}}
    assert blocks_of([disk, {"device": "", "qdev": "cd"}]) == (
        BlockDevice("disk0", "/tmp/a", True),
        BlockDevice("cd", None, None),
    )


def test_a_guest_that_was_never_sent_anywhere_says_so() -> None:
    assert migration_of({}) == Migration("none", None, None, None)
    seen = {"status": "completed", "total-time": 55, "downtime": 1, "ram": {"transferred": 67015657}}
    assert migration_of(seen) == Migration("completed", 55, 1, 67015657)
