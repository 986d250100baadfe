"""Limits and counters of one control group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
