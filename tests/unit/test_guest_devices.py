"""QEMU's tree of devices becomes a list."""

from __future__ import annotations

from sandboxes.guests.devices import parse_devices
from sandboxes.model import Device

QTREE = """bus: main-system-bus
  type System
  dev: hpet, id ""
    gpio-out "sysbus-irq" 32
    timers = 3 (0x3)
    mmio 00000000fed00000/0000000000000400
  dev: q35-pcihost, id ""
    short_root_bus = 0 (0x0)
    bus: pcie.0
      type PCIE
      dev: virtio-net-pci, id ""
        addr = 01.0
        romfile = ""
        class Ethernet controller, addr 00:01.0, pci id 1af4:1000 (sub 1af4:0001)
        bar 0: i/o at 0xc000 [0xc01f]
        bus: virtio-bus
          type virtio-pci-bus
          dev: virtio-net-device, id ""
            mac = "52:54:00:12:34:56"
      dev: ICH9-LPC, id ""
        class ISA bridge, addr 00:1f.0, pci id 8086:2918 (sub 1af4:1100)
        bus: isa.0
          type ISA
          dev: isa-serial, id ""
            index = 1 (0x1)
            iobase = 760 (0x2f8)
            irq = 3 (0x3)
          dev: mc146818rtc, id ""
            gpio-out "" 1
            base_year = 0 (0x0)
            iobase = 112 (0x70)
            irq = 8 (0x8)
            lost_tick_policy = "discard"
  dev: fw_cfg_io, id ""
    dma_enabled = true
"""


def test_every_device_is_listed_with_its_kind_and_qemus_own_words() -> None:
    assert parse_devices(QTREE) == (
        Device("hpet", "clock", "mmio 00000000fed00000/0000000000000400"),
        Device("q35-pcihost", "board", ""),
        Device("virtio-net-pci", "pci", "class Ethernet controller, addr 00:01.0, pci id 1af4:1000 (sub 1af4:0001)"),
        Device("virtio-net-device", "board", ""),
        Device("ICH9-LPC", "pci", "class ISA bridge, addr 00:1f.0, pci id 8086:2918 (sub 1af4:1100)"),
        Device("isa-serial", "serial", "index = 1 (0x1), iobase = 760 (0x2f8), irq = 3 (0x3)"),
        Device("mc146818rtc", "clock", "iobase = 112 (0x70), irq = 8 (0x8)"),
        Device("fw_cfg_io", "firmware", ""),
    )


def test_no_tree_has_no_devices() -> None:
    assert parse_devices("") == ()
    assert parse_devices("unknown command: 'info qtree'\n") == ()
