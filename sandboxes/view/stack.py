"""A running guest as a stack of layers: each fact with its value and where it was read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sandboxes.model import EMULATED, Device, Guest

MIB = 1 << 20
SHOWN_PROCESSES = 12
KTHREADD = 2
"""Parent of all kernel threads; the kernel starts it as the second process (init/main.c, rest_init)."""
FIRST_KINDS = ("serial", "pci", "clock", "interrupts")
DEVICE_SOURCE = "QMP: human-monitor-command, info qtree"


@dataclass(frozen=True)
class Fact:
    """One thing that is known about a layer. `source` is a file, or a command of QEMU's machine protocol (QMP)."""

    name: str
    value: str
    source: str


@dataclass(frozen=True)
class Layer:
    """One layer. `crossing` is what passes through its lower edge; `edge` says whether that ends a zone."""

    zone: str
    name: str
    summary: str
    facts: tuple[Fact, ...]
    crossing: str
    edge: bool = False
    badge: str = ""


def layers_of(guest: Guest) -> tuple[Layer, ...]:
    """From the guest's processes down to the hardware."""
    return (
        _programs(guest),
        _inner_kernel(guest),
        _devices(guest),
        _qemu(guest),
        _host_kernel(guest),
        _hardware(guest),
    )


def _programs(guest: Guest) -> Layer:
    threads = [process for process in guest.inside_processes if KTHREADD in (process.pid, process.ppid)]
    programs = [process for process in guest.inside_processes if process not in threads]
    facts = [Fact(f"pid {one.pid} {one.name}", one.command, f"guest: /proc/{one.pid}/cmdline") for one in programs]
    if len(facts) > SHOWN_PROCESSES:
        facts[SHOWN_PROCESSES:] = [Fact("and more", f"{len(facts) - SHOWN_PROCESSES} programs", "guest: /proc")]
    if threads:
        facts.append(Fact("kernel threads", str(len(threads)), "guest: /proc (children of pid 2, kthreadd)"))
    names = [name if many == 1 else f"{name} ×{many}" for name, many in Counter(one.name for one in programs).items()]
    summary = f"{_count(len(programs), 'program', 'programs')}: {', '.join(names[:4])}{' …' if len(names) > 4 else ''}"
    crossing = "system calls of the guest's kernel"
    return Layer(
        "Inside the guest", "Guest processes", summary if programs else "none was listed", tuple(facts), crossing
    )


def _inner_kernel(guest: Guest) -> Layer:
    facts = (
        Fact("release", guest.inside_kernel, "guest: /proc/sys/kernel/osrelease"),
        Fact("boot id", guest.inside_boot_id, "guest: /proc/sys/kernel/random/boot_id"),
        Fact("processor it sees", guest.inside_cpu, "guest: /proc/cpuinfo"),
        Fact("memory it may use", _mib(guest.inside_memory_bytes), "guest: /proc/meminfo (MemTotal)"),
        Fact("namespaces", ", ".join(guest.inside_namespaces), "guest: /proc/self/ns"),
        Fact("time to boot", f"{guest.boot_ms:,.0f} ms", "clock of the host, from start to the first answer"),
    )
    crossing = "virtual hardware: port I/O, memory-mapped I/O, interrupts"
    return Layer("Inside the guest", "Guest kernel", f"Linux {guest.inside_kernel}", facts, crossing, edge=True)


def _devices(guest: Guest) -> Layer:
    facts = (
        Fact("machine", guest.machine, "QEMU command line"),
        Fact("processor model", guest.cpu_model, "QEMU command line"),
        Fact("memory", _mib(guest.memory_bytes), "QEMU command line"),
        Fact("firmware", guest.firmware, "QEMU command line"),
        *(
            Fact(f"{one.kind}: {one.name}", one.detail or "–", DEVICE_SOURCE)
            for one in sorted(guest.devices, key=_rank)
        ),
    )
    listed = _count(len(guest.devices), "device", "devices")
    summary = f"processor (model {guest.cpu_model}), {_mib(guest.memory_bytes)} RAM, {listed}"
    return Layer(
        "QEMU, a process of the host",
        "Virtual devices",
        summary,
        facts,
        "each device is code and memory of this process",
    )


def _qemu(guest: Guest) -> Layer:
    pid, emulated = guest.process.pid, guest.accelerator.emulated
    facts = (
        Fact("pid on the host", str(pid), "host: /proc"),
        Fact("QEMU version", guest.qemu_version, "QMP: query-version"),
        Fact("memory, its proportional share", _mib(guest.pss_bytes), f"host: /proc/{pid}/smaps_rollup (Pss)"),
        Fact("seccomp", guest.seccomp, f"host: /proc/{pid}/status (Seccomp)"),
        *(
            Fact(f"thread {one.tid} {one.name}", f"{one.cpu_ms:,.0f} ms CPU", f"host: /proc/{pid}/task/{one.tid}/stat")
            for one in guest.threads
        ),
    )
    doing = "translates the guest's instructions (TCG)" if emulated else "asks KVM to run the guest's instructions"
    summary = f"pid {pid}, {_count(len(guest.threads), 'thread', 'threads')}, {_mib(guest.pss_bytes)}; {doing}"
    crossing = "system calls of the host's kernel" + ("" if emulated else ", among them ioctl(KVM_RUN)")
    badge = EMULATED if emulated else ""
    return Layer("QEMU, a process of the host", "QEMU process", summary, facts, crossing, edge=True, badge=badge)


def _host_kernel(guest: Guest) -> Layer:
    host, emulated = guest.host, guest.accelerator.emulated
    facts = (
        Fact("release", host.kernel, "host: /proc/sys/kernel/osrelease"),
        Fact("boot id", host.boot_id, "host: /proc/sys/kernel/random/boot_id"),
        Fact("system", host.system, "host: /etc/os-release"),
        Fact("accelerator", guest.accelerator.name, guest.accelerator.proof),
    )
    kvm = "KVM not in use: QEMU is one process among others" if emulated else "KVM switches the processor to the guest"
    return Layer("The host", "Host kernel", f"Linux {host.kernel}; {kvm}", facts, "machine instructions, interrupts")


def _hardware(guest: Guest) -> Layer:
    host = guest.host
    facts = (
        Fact("processors", f"{host.cpus} × {host.machine}", "host: sched_getaffinity(2), uname(2)"),
        Fact("memory", _mib(host.memory_bytes), "host: /proc/meminfo (MemTotal)"),
    )
    summary = f"{_count(host.cpus, 'CPU', 'CPUs')} ({host.machine}), {_mib(host.memory_bytes)} memory"
    return Layer("The host", "Hardware", summary, facts, "")


def _rank(device: Device) -> int:
    return FIRST_KINDS.index(device.kind) if device.kind in FIRST_KINDS else len(FIRST_KINDS)


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / MIB / 1024:,.1f} GiB" if size_bytes >= 4096 * MIB else f"{size_bytes / MIB:,.0f} MiB"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
