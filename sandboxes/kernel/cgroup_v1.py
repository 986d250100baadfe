"""Version 1 files: Documentation/admin-guide/cgroup-v1/{cpuacct,memory,pids}.rst, scheduler/sched-bwc.rst."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sandboxes.kernel.cgroup_files import Files, flat_keyed, number_or_max
from sandboxes.kernel.cgroup_settings import weight_of
from sandboxes.model import CpuStat, MemoryParts, MemoryStat, PidsStat, SwapStat

_NO_LIMIT = 1 << 62
"""Without a limit the file reads the largest page count, 0x7FFFFFFFFFFFF000 on 64 bits (mm/page_counter.c)."""


def cpu(files: Files, folders: Mapping[str, Path]) -> CpuStat:
    """Usage from cpuacct (ns), quota and throttling (throttled_time in ns) from cpu."""
    usage_ns = int(files.text("cpu.usage", folders["cpuacct"] / "cpuacct.usage"))
    quota_usec = int(files.text("cpu.quota", folders["cpu"] / "cpu.cfs_quota_us"))
    period_usec = int(files.text("cpu.period", folders["cpu"] / "cpu.cfs_period_us"))
    stat = flat_keyed(files.text("cpu.throttled", folders["cpu"] / "cpu.stat"))
    return CpuStat(
        usage_usec=usage_ns // 1000,
        quota_cores=quota_usec / period_usec if quota_usec > 0 else None,
        periods=stat["nr_periods"],
        throttled_periods=stat["nr_throttled"],
        throttled_usec=stat["throttled_time"] // 1000,
    )


def memory(files: Files, folder: Path) -> MemoryStat:
    """Kills are counted in memory.oom_control since Linux 4.13, the oldest kernel that this reads.

    A memory+swap limit equal to the memory limit is met first, and then memory.failcnt stays at 0.
    """
    limit_bytes = int(files.text("memory.limit", folder / "memory.limit_in_bytes"))
    return MemoryStat(
        current_bytes=int(files.text("memory.current", folder / "memory.usage_in_bytes")),
        peak_bytes=int(files.text("memory.peak", folder / "memory.max_usage_in_bytes")),
        limit_bytes=None if limit_bytes >= _NO_LIMIT else limit_bytes,
        limit_hits=int(files.text("memory.limit_hits", folder / "memory.failcnt")),
        oom_kills=flat_keyed(files.text("memory.oom_kills", folder / "memory.oom_control"))["oom_kill"],
    )


def pids(files: Files, folder: Path) -> PidsStat:
    """The pids controller has the same files in both versions."""
    return PidsStat(
        current=int(files.text("pids.current", folder / "pids.current")),
        limit=number_or_max(files.text("pids.limit", folder / "pids.max")),
        limit_hits=flat_keyed(files.text("pids.limit_hits", folder / "pids.events")).get("max", 0),
    )


def memory_and_swap_limits(folder: Path) -> tuple[int | None, int | None]:
    """Bytes of memory, and bytes of swap: the limit of both less that of memory; None: no limit, or none is kept."""
    memory_bytes = int((folder / "memory.limit_in_bytes").read_text())
    try:
        both_bytes = int((folder / "memory.memsw.limit_in_bytes").read_text())
    except FileNotFoundError:
        both_bytes = _NO_LIMIT
    limited = memory_bytes < _NO_LIMIT
    return memory_bytes if limited else None, both_bytes - memory_bytes if both_bytes < _NO_LIMIT else None


def cpu_weight(files: Files, folder: Path) -> int:
    """cpu.shares in the scale of version 2, as the kernel itself converts them."""
    return weight_of(int(files.text("cpu.weight", folder / "cpu.shares")))


def memory_parts(files: Files, folder: Path) -> MemoryParts:
    """The lines total_… include the cgroups below, as all of version 2's do (memory.rst 5.2)."""
    stat = flat_keyed(files.text("memory.parts", folder / "memory.stat"))
    return MemoryParts(stat["total_rss"], stat["total_cache"], stat["total_inactive_file"])


def swap(files: Files, folder: Path) -> SwapStat | None:
    """None when the kernel does not count swap: then there is no memory.memsw.* and no line total_swap."""
    current_bytes = flat_keyed(files.text("swap.current", folder / "memory.stat")).get("total_swap")
    if current_bytes is None or files.maybe("swap.limit", folder / "memory.memsw.limit_in_bytes") is None:
        return None
    return SwapStat(current_bytes, memory_and_swap_limits(folder)[1])
