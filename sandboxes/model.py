"""What was seen: frozen records with units in their names.

Sizes end in `_bytes`, durations in `_ms`, `_s` or `_usec` (the kernel's own unit), shares of CPU are in cores.
`None` means that the kernel reports no limit or no such figure; it never means zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

NAMESPACE_KINDS = ("mnt", "pid", "net", "uts", "ipc", "user", "cgroup", "time")
"""The eight kinds of namespaces(7), by their names in /proc/PID/ns."""


@dataclass(frozen=True)
class Result:
    """One finished command: its exit status, its two output streams apart, and wall time as the caller saw it."""

    command: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    wall_ms: float
    place: str = ""

    def __str__(self) -> str:
        return self.stdout.rstrip("\n")

    def __repr__(self) -> str:
        words = self.command[2:] if self.command[:2] == ("sh", "-c") else self.command
        head = f"{self.place}$ {' '.join(words)}   [exit {self.exit_code}, {self.wall_ms:.0f} ms]"
        return "\n".join([head, *(text.rstrip("\n") for text in (self.stdout, self.stderr) if text)])


@dataclass(frozen=True)
class Host:
    """The machine that the book runs on. `cgroups` is "v1", "v2" or "hybrid" (cgroups(7))."""

    hostname: str
    system: str
    kernel: str
    machine: str
    cpus: int
    memory_bytes: int
    cgroups: str
    boot_id: str


@dataclass(frozen=True)
class Engine:
    """A container engine that answered. `origin` is "reader" (found running) or "private" (started for this book).

    `enforces` holds the limits that it really applies here: a subset of {"cpu", "memory", "pids"}.
    """

    name: str
    version: str
    origin: str
    rootless: bool
    cgroup_version: str
    cgroup_driver: str
    runtime: str
    enforces: frozenset[str]


@dataclass(frozen=True)
class Accelerator:
    """How guests execute: "kvm" or "tcg" (emulated). `proof` says in a sentence how that was established."""

    name: str
    proof: str

    @property
    def emulated(self) -> bool:
        return self.name == "tcg"


@dataclass(frozen=True)
class Process:
    """A process as its own /proc describes it. `namespaces` maps a kind to the inode number in /proc/PID/ns/KIND.

    `pid_inside` is its number in the innermost pid namespace (last field of NSpid, proc_pid_status(5)).
    """

    pid: int
    ppid: int
    name: str
    command: str
    threads: int
    rss_bytes: int
    pid_inside: int | None = None
    namespaces: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Thread:
    """One thread of a process: its kernel name (comm) and the CPU time that it has used."""

    tid: int
    name: str
    cpu_ms: float


@dataclass(frozen=True)
class CpuStat:
    """CPU controller of one cgroup. `quota_cores` is quota/period; None: no limit.

    Source: Documentation/admin-guide/cgroup-v2.rst (cpu.max, cpu.stat); v1: scheduler/sched-bwc.rst.
    """

    usage_usec: int
    quota_cores: float | None
    periods: int
    throttled_periods: int
    throttled_usec: int


@dataclass(frozen=True)
class MemoryStat:
    """Memory controller of one cgroup. `limit_hits` counts how often usage met the limit; `oom_kills` processes killed.

    Source: cgroup-v2.rst (memory.current/peak/max/events); v1: cgroup-v1/memory.rst.
    """

    current_bytes: int
    peak_bytes: int | None
    limit_bytes: int | None
    limit_hits: int
    oom_kills: int


@dataclass(frozen=True)
class PidsStat:
    """Pids controller of one cgroup. Source: cgroup-v1/pids.rst, cgroup-v2.rst."""

    current: int
    limit: int | None
    limit_hits: int


@dataclass(frozen=True)
class CgroupSample:
    """One reading of a cgroup's files. `at_s` is a monotonic clock; only differences of it mean anything."""

    at_s: float
    version: str
    cpu: CpuStat
    memory: MemoryStat
    pids: PidsStat
    files: Mapping[str, str] = field(default_factory=dict)
    """Which file each figure came from: e.g. {"memory.limit": "/sys/fs/cgroup/memory/…/memory.limit_in_bytes"}."""


@dataclass(frozen=True)
class Limits:
    """What was asked of the engine; None: no limit."""

    memory_bytes: int | None
    cpus: float | None
    pids: int | None


@dataclass(frozen=True)
class Container:
    """A running container as kernel and engine report it.

    `init` is its first process with the pid that the *host* sees; `processes` are all of them, host pids.
    `capabilities` are the effective ones of init (capabilities(7)); `seccomp` is "disabled", "strict" or "filter".
    """

    id: str
    name: str
    image: str
    profile: str
    user: str
    init: Process
    processes: tuple[Process, ...]
    limits: Limits
    cgroup: CgroupSample
    capabilities: tuple[str, ...]
    seccomp: str
    no_new_privileges: bool
    start_ms: float
    engine: Engine
    host: Host


@dataclass(frozen=True)
class Device:
    """A virtual device that QEMU offers to a guest: `kind` is e.g. "serial" or "pci"; `detail` is QEMU's own text."""

    name: str
    kind: str
    detail: str


@dataclass(frozen=True)
class Guest:
    """A running virtual machine, seen from its host (the QEMU process) and from inside (its own kernel).

    `process` and `threads` belong to QEMU on the host; `pss_bytes` is its proportional share of memory
    (Documentation/filesystems/proc.rst, smaps_rollup). `inside_*` were reported by the guest's kernel.
    """

    name: str
    process: Process
    threads: tuple[Thread, ...]
    pss_bytes: int
    seccomp: str
    qemu_version: str
    machine: str
    cpu_model: str
    firmware: str
    accelerator: Accelerator
    memory_bytes: int
    devices: tuple[Device, ...]
    boot_ms: float
    inside_kernel: str
    inside_boot_id: str
    inside_cpu: str
    inside_memory_bytes: int
    inside_namespaces: Mapping[str, int]
    inside_processes: tuple[Process, ...]
    host: Host


@dataclass(frozen=True)
class Namespaces:
    """The namespaces of one process: kind -> inode number, as /proc/PID/ns/KIND reports it (namespaces(7)).

    A number means something within one running kernel only, so `boot_id` (random(4)) names that kernel: two places
    share a namespace when boot_id *and* number are equal.
    """

    place: str
    kind: str
    process: str
    pid: int
    boot_id: str
    ids: Mapping[str, int]


class Place(Protocol):
    """Anything that a command can run in. `kind` is "host", "container" or "guest"."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    def run(self, command: str | Sequence[str], *, timeout_s: float = 30.0) -> Result: ...
    def namespaces(self) -> Namespaces: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Twin:
    """One command, run in several places. `differing` holds the numbers (from 0) of unequal lines."""

    command: str
    results: tuple[Result, ...]
    differing: tuple[int, ...]


@dataclass(frozen=True)
class Sample:
    """Named values of one quantity, in the order in which they were measured."""

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def n(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Ratio:
    """Median of paired ratios numerator/denominator with a bootstrap interval (`confidence`, percentile method)."""

    numerator: str
    denominator: str
    ratio: float
    low: float
    high: float
    n: int
    confidence: float

    def __str__(self) -> str:
        spread = f"{self.confidence:.0%} interval {self.low:.2f} to {self.high:.2f}, {self.n} pairs"
        return f"{self.numerator} = {self.ratio:.2f} × {self.denominator} ({spread})"


@dataclass(frozen=True)
class Measurement:
    """Two quantities measured in turn, pair by pair, on one host under one accelerator and engine.

    `busy_before` is the share of all CPU time, 0.0 to 1.0, that others used in the second before the first pair: a
    measurement on a crowded machine says little. Source: /proc/stat (proc_stat(5)).
    """

    title: str
    samples: tuple[Sample, Sample]
    ratio: Ratio
    busy_before: float
    host: Host
    engine: Engine | None
    accelerator: Accelerator | None
    date: str


@dataclass(frozen=True)
class Verdict:
    """What a measurement says about a claim of the ledger.

    `verdict` is one of "holds", "holds, with limits", "outdated", "refuted", "history", "undecided on this machine".
    `because` is one sentence with the figures; `threshold` was written down before the measurement.
    """

    claim: str
    statement: str
    verdict: str
    because: str
    threshold: str
    limits: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """One task of a lab, looked at in the real sandbox. `hint` is empty when it passed."""

    task: str
    passed: bool
    observed: str
    expected: str
    why: str
    hint: str


@dataclass(frozen=True)
class Problem:
    """Something that is missing on this machine, and what to do about it."""

    what: str
    seen: str
    remedy: str


@dataclass(frozen=True)
class Report:
    """What sandboxes will run on here. `engine` and `accelerator` are None where there is none to be had.

    `guest` names the parts of a guest: qemu_version, kernel, firmware. `date` is the minute of the look, ISO 8601, UTC.
    """

    host: Host
    engine: Engine | None
    accelerator: Accelerator | None
    guest: Mapping[str, str]
    problems: tuple[Problem, ...]
    date: str
