"""Limits and counters of one control group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


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
class Stall:
    """How long processes waited: shares of the last 10, 60 and 300 s in percent, and all waiting so far.

    Source: Documentation/accounting/psi.rst.
    """

    avg10_percent: float
    avg60_percent: float
    avg300_percent: float
    total_usec: int


@dataclass(frozen=True)
class Pressure:
    """Waiting for one resource: `some` while at least one process waited, `full` while all of them did."""

    some: Stall
    full: Stall | None


@dataclass(frozen=True)
class PressureStat:
    """Pressure stall information of one cgroup or of the machine. Source: psi.rst, cgroup-v2.rst."""

    cpu: Pressure
    memory: Pressure
    io: Pressure


@dataclass(frozen=True)
class MemoryParts:
    """What memory is used for: `anon` has no file behind it, `inactive_file` is what the kernel would drop first.

    Source: cgroup-v2.rst (memory.stat); v1: memory.rst 5.2 (total_rss, total_cache, total_inactive_file).
    """

    anon_bytes: int
    file_bytes: int
    inactive_file_bytes: int


@dataclass(frozen=True)
class SwapStat:
    """Swap of one cgroup. Source: cgroup-v2.rst (memory.swap.*); v1: memory.rst (memory.stat, memory.memsw.*)."""

    current_bytes: int
    limit_bytes: int | None


@dataclass(frozen=True)
class IoStat:
    """Counters and limits of a cgroup on one block device, "MAJOR:MINOR"; a limit that is None does not exist.

    Version 1 counts what a process does itself; what the kernel writes back later is counted for nobody.
    Source: cgroup-v2.rst (io.stat, io.max); v1: blkio-controller.rst (blkio.throttle.*).
    """

    device: str
    read_bytes: int
    write_bytes: int
    read_operations: int
    write_operations: int
    limit: IoLimit


@dataclass(frozen=True)
class CgroupDetails:
    """What a sample leaves out because it changes seldom or costs more to read. None: this kernel keeps no such figure.

    `cpu_weight` is in version 2's scale. `memory_high_bytes` is None without such a limit, and always in version 1.
    `pressure` is None unless a cgroup of the version 2 tree holds these processes and no others.
    """

    at_s: float
    version: str
    cpu_weight: int | None
    cpuset_cpus: str | None
    memory_high_bytes: int | None
    memory_parts: MemoryParts | None
    swap: SwapStat | None
    pids_peak: int | None
    io: tuple[IoStat, ...] | None
    pressure: PressureStat | None
    frozen: bool
    files: Mapping[str, str] = field(default_factory=dict)
    """Which file each figure came from."""


NoLimit = Literal["max"]
"""The kernel's own word for "no limit" (cgroup-v2.rst)."""


@dataclass(frozen=True)
class IoLimit:
    """What a cgroup may do on one block device, `device` being "MAJOR:MINOR". None leaves a figure as it is.

    Source: cgroup-v2.rst (io.max); v1: cgroup-v1/blkio-controller.rst (throttle policy).
    """

    device: str
    read_bytes_per_s: int | NoLimit | None = None
    write_bytes_per_s: int | NoLimit | None = None
    read_operations_per_s: int | NoLimit | None = None
    write_operations_per_s: int | NoLimit | None = None


@dataclass(frozen=True)
class CgroupLimits:
    """What to write into a cgroup. None leaves a limit as it is, "max" lifts it.

    `cpu_weight` is version 2's scale, 1 to 10000, 100 being usual. `swap_bytes` is swap alone, as in version 2.
    `cpuset_cpus` is a list such as "0-2,4" (cpuset(7), "List format").
    """

    cpus: float | NoLimit | None = None
    cpu_weight: int | None = None
    cpuset_cpus: str | None = None
    memory_bytes: int | NoLimit | None = None
    swap_bytes: int | NoLimit | None = None
    pids: int | NoLimit | None = None
    io: tuple[IoLimit, ...] = ()
