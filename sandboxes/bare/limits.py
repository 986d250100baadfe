"""Limits of a container made by hand, in the words of the cgroup writer."""

from __future__ import annotations

from sandboxes.kernel import Cgroup
from sandboxes.model import CgroupLimits, Limits

PAGE_BYTES = 4096
_SWAP_FILES = ("memory.memsw.limit_in_bytes", "memory.swap.max")


def to_write(limits: Limits, cgroup: Cgroup) -> CgroupLimits:
    """Beside a limit of memory next to no swap, so that what does not fit is not swapped out instead.

    Not none at all: version 1 would meet the limit on the sum first, and memory.failcnt would count nothing
    (try_charge, mm/memcontrol.c). A kernel that does not account for swap has no such file.
    """
    counts_swap = any((cgroup.folder_of("memory") / name).exists() for name in _SWAP_FILES)
    swap_bytes = PAGE_BYTES if limits.memory_bytes is not None and counts_swap else None
    return CgroupLimits(cpus=limits.cpus, memory_bytes=limits.memory_bytes, swap_bytes=swap_bytes, pids=limits.pids)
