"""What a running emulator says about the machine that it makes, and what its own process costs the host."""

from __future__ import annotations

from dataclasses import dataclass

from sandboxes.model.cgroups import CgroupSample
from sandboxes.model.guests import Device
from sandboxes.model.machine import Process, Thread
from sandboxes.model.privileges import Privileges


@dataclass(frozen=True)
class VirtualCpu:
    """A processor of the guest, and the thread of the host that executes it. Source: QMP `query-cpus-fast`."""

    index: int
    thread: Thread


@dataclass(frozen=True)
class MemoryRange:
    """Guest addresses from `first` to `last` and what answers there: `kind` is "ram", "rom", "i/o" …"""

    first: int
    last: int
    kind: str
    name: str

    @property
    def size_bytes(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class AddressSpace:
    """What parts of the machine (`names`) see at which address. Source: qemu-monitor(7), `info mtree -f`."""

    names: tuple[str, ...]
    ranges: tuple[MemoryRange, ...]


@dataclass(frozen=True)
class PciDevice:
    """A device on the PCI bus. `vendor_id` and `device_id` are what `lspci -n` shows. Source: QMP `query-pci`."""

    bus: int
    slot: int
    function: int
    kind: str
    vendor_id: int
    device_id: int


@dataclass(frozen=True)
class VirtioDevice:
    """A device that knows that it is virtual. `name` is such as "virtio-balloon". Source: QMP `x-query-virtio`."""

    name: str
    path: str


@dataclass(frozen=True)
class BlockDevice:
    """A virtual disk or drive; `file` None: nothing is in it. Source: QMP `query-block`."""

    name: str
    file: str | None
    read_only: bool | None


@dataclass(frozen=True)
class Migration:
    """The last time that QEMU sent the guest's state anywhere, a snapshot included, or took one over.

    `status` is "none" when it never did; the figures are of what it sent, `ram_bytes` of memory alone.
    Source: QMP `query-migrate`.
    """

    status: str
    total_ms: float | None
    downtime_ms: float | None
    ram_bytes: int | None


@dataclass(frozen=True)
class Translation:
    """The emulator's store of translated code. Source: qemu-monitor(7), `info jit`.

    A block is a run of guest instructions up to a jump; `expansion` is host bytes made per guest byte.
    """

    code_bytes: int
    code_limit_bytes: int
    blocks: int
    expansion: float
    flushes: int
    invalidated_blocks: int


@dataclass(frozen=True)
class Footprint:
    """Memory of a process. Shared pages are mapped by others too; private ones are its alone, and go with it.

    `pss_bytes` counts a page that n processes map 1/n. Source: Documentation/filesystems/proc.rst, smaps_rollup.
    """

    rss_bytes: int
    pss_bytes: int
    shared_bytes: int
    private_bytes: int
    swap_bytes: int


@dataclass(frozen=True)
class Descriptor:
    """An open file of a process. `kind` is "socket", "pipe", "device", "memfd", "file", or "eventfd" and the like.

    Source: proc_pid_fd(5).
    """

    number: int
    kind: str
    target: str


@dataclass(frozen=True)
class EmulatorProcess:
    """QEMU as the host sees it. `cgroup` None: this user may not make one here, so only QEMU itself limits it.

    `cpu_ms` is the CPU time of all its threads since it was started.
    """

    process: Process
    threads: tuple[Thread, ...]
    cpu_ms: float
    memory: Footprint
    descriptors: tuple[Descriptor, ...]
    privileges: Privileges
    cgroup: CgroupSample | None


@dataclass(frozen=True)
class Hypervisor:
    """Every layer between a guest's kernel and the host's, as it is now.

    `status` is "running", "paused" … (QMP `query-status`); `translation` None: the processor itself runs the guest.
    """

    name: str
    status: str
    qemu_version: str
    board: str
    cpu_model: str
    memory_bytes: int
    cpus: tuple[VirtualCpu, ...]
    address_spaces: tuple[AddressSpace, ...]
    devices: tuple[Device, ...]
    pci: tuple[PciDevice, ...]
    virtio: tuple[VirtioDevice, ...]
    blocks: tuple[BlockDevice, ...]
    migration: Migration
    translation: Translation | None
    process: EmulatorProcess
