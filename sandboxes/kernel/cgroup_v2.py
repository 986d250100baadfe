"""Version 2 files: Documentation/admin-guide/cgroup-v2.rst (Controllers: CPU, Memory)."""

from __future__ import annotations

from pathlib import Path

from sandboxes.kernel.cgroup_files import Files, flat_keyed, number_or_max
from sandboxes.model import CpuStat, MemoryParts, MemoryStat, SwapStat


def cpu(files: Files, folder: Path) -> CpuStat:
    """cpu.stat always has the usage; quota and throttling only where the cpu controller is switched on."""
    stat = flat_keyed(files.text("cpu.usage", folder / "cpu.stat"))
    if "nr_periods" in stat:
        files.used["cpu.throttled"] = files.used["cpu.usage"]
    return CpuStat(
        usage_usec=stat["usage_usec"],
        quota_cores=parse_cpu_max(files.maybe("cpu.quota", folder / "cpu.max") or "max"),
        periods=stat.get("nr_periods", 0),
        throttled_periods=stat.get("nr_throttled", 0),
        throttled_usec=stat.get("throttled_usec", 0),
    )


def parse_cpu_max(content: str) -> float | None:
    """Cores from "QUOTA PERIOD" in microseconds; None for "max PERIOD"."""
    quota, *period = content.split()
    return None if quota == "max" else int(quota) / int(period[0])


def memory(files: Files, folder: Path) -> MemoryStat:
    """memory.peak came with Linux 5.19; before that the peak is not known."""
    current_bytes = int(files.text("memory.current", folder / "memory.current"))
    peak = files.maybe("memory.peak", folder / "memory.peak")
    events = flat_keyed(files.text("memory.limit_hits", folder / "memory.events"))
    files.used["memory.oom_kills"] = files.used["memory.limit_hits"]
    return MemoryStat(
        current_bytes=current_bytes,
        peak_bytes=int(peak) if peak is not None else None,
        limit_bytes=number_or_max(files.text("memory.limit", folder / "memory.max")),
        limit_hits=events["max"],
        oom_kills=events["oom_kill"],
    )


def memory_parts(files: Files, folder: Path) -> MemoryParts | None:
    """None when the memory controller is not switched on here."""
    content = files.maybe("memory.parts", folder / "memory.stat")
    if content is None:
        return None
    stat = flat_keyed(content)
    return MemoryParts(stat["anon"], stat["file"], stat["inactive_file"])


def swap(files: Files, folder: Path) -> SwapStat | None:
    """None when the kernel does not count swap, or the memory controller is not switched on here."""
    current = files.maybe("swap.current", folder / "memory.swap.current")
    limit = files.maybe("swap.limit", folder / "memory.swap.max")
    return SwapStat(int(current), number_or_max(limit)) if current is not None and limit is not None else None


def number(files: Files, figure: str, path: Path) -> int | None:
    """The number in the file; None for "max", or without such a file."""
    content = files.maybe(figure, path)
    return None if content is None else number_or_max(content)
