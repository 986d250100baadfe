"""Every layer between a guest's kernel and the host's: asked of QEMU, and of the host's kernel about QEMU."""

from __future__ import annotations

from sandboxes import kernel
from sandboxes.guests.address_spaces import parse_address_spaces
from sandboxes.guests.answers import blocks_of, cpus_of, migration_of, pci_of, virtio_of
from sandboxes.guests.monitor import Monitor
from sandboxes.guests.translation import parse_translation
from sandboxes.model import CgroupSample, EmulatorProcess, Hypervisor


def hypervisor(name: str, monitor: Monitor, pid: int, cgroup: kernel.Cgroup | None) -> Hypervisor:
    """The layers now; about 20 questions to QEMU, 10 ms. Raises MonitorLost, SandboxGone, Unavailable."""
    host_side = emulator_process(pid, kernel.sample(cgroup) if cgroup else None)
    hardware = monitor.hardware()
    memory = monitor.execute("query-memory-size-summary")
    return Hypervisor(
        name=name,
        status=monitor.execute("query-status")["status"],
        qemu_version=hardware.qemu_version,
        board=hardware.board,
        cpu_model=hardware.cpu_model,
        memory_bytes=memory["base-memory"] + memory.get("plugged-memory", 0),
        cpus=cpus_of(monitor.execute("query-cpus-fast"), host_side.threads),
        address_spaces=parse_address_spaces(monitor.ask("info mtree -f")),
        devices=hardware.devices,
        pci=pci_of(monitor.execute("query-pci")),
        virtio=virtio_of(monitor.execute("x-query-virtio")),
        blocks=blocks_of(monitor.execute("query-block")),
        migration=migration_of(monitor.execute("query-migrate")),
        translation=parse_translation(monitor.ask("info jit")),
        process=host_side,
    )


def emulator_process(pid: int, cgroup: CgroupSample | None) -> EmulatorProcess:
    """QEMU's process as /proc shows it. Raises SandboxGone, Unavailable."""
    threads = kernel.threads(pid)
    return EmulatorProcess(
        process=kernel.process(pid),
        threads=threads,
        cpu_ms=sum(thread.cpu_ms for thread in threads),
        memory=kernel.footprint(pid),
        descriptors=kernel.descriptors(pid),
        privileges=kernel.privileges(pid),
        cgroup=cgroup,
    )
