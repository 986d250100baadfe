"""What sample() leaves out because it changes seldom or costs more: weight, swap, disks, pressure, the freezer."""

from __future__ import annotations

import time
from pathlib import Path

from sandboxes.errors import SandboxGone
from sandboxes.kernel import cgroup_io, cgroup_v1, cgroup_v2
from sandboxes.kernel.cgroup_files import Files
from sandboxes.kernel.cgroup_states import is_frozen
from sandboxes.kernel.cgroups import Cgroup
from sandboxes.kernel.pressure import pressure
from sandboxes.model import CgroupDetails, IoStat, MemoryParts, SwapStat


def details(cgroup: Cgroup) -> CgroupDetails:
    """One reading of the rarer figures of a cgroup, about 0.5 ms; a figure that this kernel does not keep is None.

    So is one that is kept for another set of processes, as on a machine that counts them in one hierarchy only.
    Raises SandboxGone when the cgroup has been removed.
    """
    files, at_s = Files(), time.monotonic()
    try:
        seen = CgroupDetails(
            at_s=at_s,
            version=cgroup.version,
            cpu_weight=_cpu_weight(files, cgroup),
            cpuset_cpus=_cpuset(files, cgroup),
            memory_high_bytes=_memory_high(files, cgroup),
            memory_parts=_memory_parts(files, cgroup),
            swap=_swap(files, cgroup),
            pids_peak=_pids_peak(files, cgroup),
            io=_io(files, cgroup),
            pressure=pressure(cgroup, files),
            frozen=is_frozen(cgroup),
            files=files.used,
        )
    except OSError as error:
        raise _gone(cgroup, error) from error
    if not cgroup.folder.is_dir():
        raise _gone(cgroup, None)
    return seen


def _gone(cgroup: Cgroup, error: OSError | None) -> SandboxGone:
    seen = str(error or f"{cgroup.folder} does not exist")
    return SandboxGone("The cgroup has been removed.", seen=seen, remedy="start it again")


def _cpu_weight(files: Files, cgroup: Cgroup) -> int | None:
    if folder := _v1(cgroup, "cpu"):
        return cgroup_v1.cpu_weight(files, folder)
    folder = _v2(cgroup, "cpu")
    return cgroup_v2.number(files, "cpu.weight", folder / "cpu.weight") if folder else None


def _cpuset(files: Files, cgroup: Cgroup) -> str | None:
    """The CPUs that its processes really may use."""
    if folder := _v1(cgroup, "cpuset"):
        return files.text("cpuset.cpus", folder / "cpuset.effective_cpus").strip()
    folder = _v2(cgroup, "cpuset")
    content = files.maybe("cpuset.cpus", folder / "cpuset.cpus.effective") if folder else None
    return content.strip() if content is not None else None


def _memory_high(files: Files, cgroup: Cgroup) -> int | None:
    """Version 1's soft limit is another thing: it counts only while the whole machine is short of memory."""
    folder = _v2(cgroup, "memory")
    return cgroup_v2.number(files, "memory.high", folder / "memory.high") if folder else None


def _memory_parts(files: Files, cgroup: Cgroup) -> MemoryParts | None:
    if folder := _v1(cgroup, "memory"):
        return cgroup_v1.memory_parts(files, folder)
    folder = _v2(cgroup, "memory")
    return cgroup_v2.memory_parts(files, folder) if folder else None


def _swap(files: Files, cgroup: Cgroup) -> SwapStat | None:
    if folder := _v1(cgroup, "memory"):
        return cgroup_v1.swap(files, folder)
    folder = _v2(cgroup, "memory")
    return cgroup_v2.swap(files, folder) if folder else None


def _pids_peak(files: Files, cgroup: Cgroup) -> int | None:
    """The same file in both versions; Linux 6.1 has it."""
    folder = _v1(cgroup, "pids") or _v2(cgroup, "pids")
    return cgroup_v2.number(files, "pids.peak", folder / "pids.peak") if folder else None


def _io(files: Files, cgroup: Cgroup) -> tuple[IoStat, ...] | None:
    if folder := _v1(cgroup, "blkio"):
        return cgroup_io.version_1(files, folder)
    folder = _v2(cgroup, "blkio")
    return cgroup_io.version_2(files, folder) if folder else None


def _v1(cgroup: Cgroup, controller: str) -> Path | None:
    folder = cgroup.v1.get(controller)
    return None if folder in cgroup.elsewhere else folder


def _v2(cgroup: Cgroup, controller: str) -> Path | None:
    """Its folder in version 2, unless a version 1 hierarchy holds the controller."""
    return None if controller in cgroup.v1 or cgroup.v2 in cgroup.elsewhere else cgroup.v2
