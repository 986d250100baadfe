"""A running guest as a stack of layers: each fact with its value and where it was read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sandboxes.model import EMULATED, Device, Guest, Hypervisor, MemoryRange, Process, Translation

MIB = 1 << 20
SHOWN_PROCESSES = 12
KTHREADD = 2
"""Parent of all kernel threads; the kernel starts it as the second process (init/main.c, rest_init)."""
FIRST_KINDS = ("serial", "pci", "clock", "interrupts")
DEVICE_SOURCE = "QMP: human-monitor-command, info qtree"
MAP_SOURCE = "QMP: human-monitor-command, info mtree -f"
INSIDE, EMULATOR, HOST = "Inside the guest", "QEMU, a process of the host", "The host"


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


def layers_of(guest: Guest, below: Hypervisor) -> tuple[Layer, ...]:
    """From the guest's processes down to the hardware; each fact was read from the running layer itself."""
    accelerated = [_emulator(guest, below.translation)] if below.translation else []
    return (
        _programs(guest),
        *(_init(one) for one in guest.inside_processes if one.pid == 1),
        _inner_kernel(guest),
        _firmware(guest, below),
        _devices(guest, below),
        _qemu(guest, below),
        *accelerated,
        _host_kernel(guest),
        _hardware(guest),
    )


def _programs(guest: Guest) -> Layer:
    threads = [process for process in guest.inside_processes if KTHREADD in (process.pid, process.ppid)]
    programs = [one for one in guest.inside_processes if one.pid != 1 and one not in threads]
    facts = [Fact(f"pid {one.pid} {one.name}", one.command, f"guest: /proc/{one.pid}/cmdline") for one in programs]
    if len(facts) > SHOWN_PROCESSES:
        facts[SHOWN_PROCESSES:] = [Fact("and more", f"{len(facts) - SHOWN_PROCESSES} programs", "guest: /proc")]
    if threads:
        facts.append(Fact("kernel threads", str(len(threads)), "guest: /proc (children of pid 2, kthreadd)"))
    names = [name if many == 1 else f"{name} ×{many}" for name, many in Counter(one.name for one in programs).items()]
    summary = f"{_count(len(programs), 'program', 'programs')}: {', '.join(names[:4])}{' …' if len(names) > 4 else ''}"
    crossing = "system calls of the guest's kernel"
    return Layer(INSIDE, "Guest processes", summary if programs else "none was listed", tuple(facts), crossing)


def _init(first: Process) -> Layer:
    facts = (
        Fact("pid", str(first.pid), "guest: /proc/1/status (Pid)"),
        Fact("command", first.command, "guest: /proc/1/cmdline"),
        Fact("memory", _mib(first.rss_bytes), "guest: /proc/1/status (VmRSS)"),
    )
    return Layer(INSIDE, "Init", f"pid 1, {first.name}: the parent of all that runs above", facts, "")


def _inner_kernel(guest: Guest) -> Layer:
    facts = (
        Fact("release", guest.inside_kernel, "guest: /proc/sys/kernel/osrelease"),
        Fact("boot id", guest.inside_boot_id, "guest: /proc/sys/kernel/random/boot_id"),
        Fact("processor it sees", guest.inside_cpu, "guest: /proc/cpuinfo"),
        Fact("memory it may use", _mib(guest.inside_memory_bytes), "guest: /proc/meminfo (MemTotal)"),
        Fact("namespaces", ", ".join(guest.inside_namespaces), "guest: /proc/1/ns"),
        Fact(f"time to answer ({guest.started})", f"{guest.boot_ms:,.0f} ms", "host: its clock, from QEMU's start"),
    )
    crossing = "virtual hardware: port I/O, memory-mapped I/O, interrupts"
    return Layer(INSIDE, "Guest kernel", f"Linux {guest.inside_kernel}", facts, crossing, edge=True)


def _firmware(guest: Guest, below: Hypervisor) -> Layer:
    """It lies in memory that the guest can read and not write, and has done its work when the kernel runs."""
    facts = (
        Fact("name", guest.firmware, f"host: /proc/{guest.process.pid}/cmdline (-bios)"),
        *(
            Fact(f"{one.kind} {one.name}", f"{one.size_bytes >> 10} KiB from {one.first:#x}", MAP_SOURCE)
            for one in _read_only_memory(below)
        ),
    )
    return Layer(EMULATOR, "Firmware", f"{guest.firmware}: ran first, and handed over to the kernel", facts, "")


def _read_only_memory(below: Hypervisor) -> list[MemoryRange]:
    """As the guest's first processor sees it."""
    seen = next((one.ranges for one in below.address_spaces if "cpu-memory-0" in one.names), ())
    return [one for one in seen if one.kind == "rom"]


def _devices(guest: Guest, below: Hypervisor) -> Layer:
    facts = (
        Fact("machine", below.board, "QMP: qom-get /machine type"),
        Fact("processor model", below.cpu_model, "QMP: query-cpus-fast, qom-get type"),
        *(
            Fact(
                f"processor {one.index}", f"is thread {one.thread.tid} of the host", "QMP: query-cpus-fast (thread-id)"
            )
            for one in below.cpus
        ),
        Fact("memory", _mib(below.memory_bytes), "QMP: query-memory-size-summary"),
        *(
            Fact(f"{one.kind}: {one.name}", one.detail or "–", DEVICE_SOURCE)
            for one in sorted(below.devices, key=_rank)
        ),
    )
    listed = _count(len(below.devices), "device", "devices")
    summary = f"processor (model {below.cpu_model}), {_mib(below.memory_bytes)} RAM, {listed}"
    return Layer(EMULATOR, "Virtual devices", summary, facts, "each device is code and memory of this process")


def _qemu(guest: Guest, below: Hypervisor) -> Layer:
    pid, emulated = guest.process.pid, guest.accelerator.emulated
    facts = (
        Fact("pid on the host", str(pid), "host: /proc"),
        Fact("state of the guest", below.status, "QMP: query-status"),
        Fact("QEMU version", below.qemu_version, "QMP: query-version"),
        Fact("memory, its proportional share", _mib(guest.pss_bytes), f"host: /proc/{pid}/smaps_rollup (Pss)"),
        Fact("seccomp", guest.seccomp, f"host: /proc/{pid}/status (Seccomp)"),
        *(
            Fact(f"thread {one.tid} {one.name}", f"{one.cpu_ms:,.0f} ms CPU", f"host: /proc/{pid}/task/{one.tid}/stat")
            for one in guest.threads
        ),
    )
    doing = "makes the devices" if emulated else "makes the devices, asks KVM to run the guest's instructions"
    summary = f"pid {pid}, {_count(len(guest.threads), 'thread', 'threads')}, {_mib(guest.pss_bytes)}; {doing}"
    if emulated:
        return Layer(EMULATOR, "QEMU process", summary, facts, "")
    crossing = "system calls of the host's kernel, among them ioctl(KVM_RUN)"
    return Layer(EMULATOR, "QEMU process", summary, facts, crossing, edge=True)


def _emulator(guest: Guest, code: Translation) -> Layer:
    """The part of the same process that stands in for a processor."""
    source = "QMP: human-monitor-command, info jit"
    facts = (
        Fact("translated code", f"{code.code_bytes / MIB:,.1f} of {_mib(code.code_limit_bytes)}", source),
        Fact("translated blocks", f"{code.blocks:,}", source),
        Fact("host bytes made per guest byte", f"{code.expansion:g}", source),
        Fact("times it began anew", str(code.flushes), source),
        Fact("why not KVM", guest.accelerator.proof, "host: /dev/kvm, and a guest that was booted to see"),
    )
    summary = f"{code.blocks:,} blocks of the guest's instructions, translated for this processor"
    crossing = "system calls of the host's kernel"
    return Layer(EMULATOR, "Emulator (TCG)", summary, facts, crossing, edge=True, badge=EMULATED)


def _host_kernel(guest: Guest) -> Layer:
    host, emulated = guest.host, guest.accelerator.emulated
    facts = (
        Fact("release", host.kernel, "host: /proc/sys/kernel/osrelease"),
        Fact("boot id", host.boot_id, "host: /proc/sys/kernel/random/boot_id"),
        Fact("system", host.system, "host: /etc/os-release"),
        Fact("accelerator", guest.accelerator.name, guest.accelerator.proof),
    )
    kvm = "KVM not in use: QEMU is one process among others" if emulated else "KVM switches the processor to the guest"
    return Layer(HOST, "Host kernel", f"Linux {host.kernel}; {kvm}", facts, "machine instructions, interrupts")


def _hardware(guest: Guest) -> Layer:
    host = guest.host
    facts = (
        Fact("processors", f"{host.cpus} × {host.machine}", "host: sched_getaffinity(2), uname(2)"),
        Fact("memory", _mib(host.memory_bytes), "host: /proc/meminfo (MemTotal)"),
    )
    summary = f"{_count(host.cpus, 'CPU', 'CPUs')} ({host.machine}), {_mib(host.memory_bytes)} memory"
    return Layer(HOST, "Hardware", summary, facts, "")


def _rank(device: Device) -> int:
    return FIRST_KINDS.index(device.kind) if device.kind in FIRST_KINDS else len(FIRST_KINDS)


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / MIB / 1024:,.1f} GiB" if size_bytes >= 4096 * MIB else f"{size_bytes / MIB:,.0f} MiB"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
