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
class Limits:
    """What was asked of the engine; None: no limit."""

    memory_bytes: int | None
    cpus: float | None
    pids: int | None


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
