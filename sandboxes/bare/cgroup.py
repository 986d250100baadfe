"""The cgroup of a container made by hand, and its limits in the words of the cgroup writer."""

from __future__ import annotations

from sandboxes import kernel
from sandboxes.lifecycle import owner
from sandboxes.model import CgroupLimits, Difference, Limits

CONTROLLERS = ("cpu", "memory", "pids")
PAGE_BYTES = 4096
_SWAP_FILES = ("memory.memsw.limit_in_bytes", "memory.swap.max")


def make(name: str, limits: Limits) -> kernel.Cgroup:
    """A new cgroup with these limits, marked as its owner's by its path.

    On a machine with both versions it has no folder in the version 2 tree: to enter that one waits for all CPUs, 10 ms.
    Raises Unavailable, BadRequest; then there is none.
    """
    made = kernel.make_cgroup(f"boundaries-{owner().id}/bare-{name}", CONTROLLERS, unified=False)
    try:
        kernel.set_limits(made, to_write(limits, made))
    except BaseException:
        kernel.remove_cgroup(made)
        raise
    return made


def written(cgroup: kernel.Cgroup, limits: Limits) -> tuple[Difference, ...]:
    """The files that hold these limits, as they are above this cgroup, and in it."""
    found = []
    for setting in kernel.settings(to_write(limits, cgroup), cgroup.v1.keys()):
        path = cgroup.folder_of(setting.controller) / setting.file
        above = path.parent.parent / setting.file
        was = above.read_text().strip() if above.exists() else None
        found.append(Difference(setting.file, was, path.read_text().strip()))
    return tuple(dict.fromkeys(found))


def to_write(limits: Limits, cgroup: kernel.Cgroup) -> CgroupLimits:
    """Beside a limit of memory next to no swap, so that what does not fit is not swapped out instead.

    Not none at all: version 1 would meet the limit on the sum first, and memory.failcnt would count nothing
    (try_charge, mm/memcontrol.c). A kernel that does not account for swap has no such file.
    """
    counts_swap = any((cgroup.folder_of("memory") / name).exists() for name in _SWAP_FILES)
    swap_bytes = PAGE_BYTES if limits.memory_bytes is not None and counts_swap else None
    return CgroupLimits(cpus=limits.cpus, memory_bytes=limits.memory_bytes, swap_bytes=swap_bytes, pids=limits.pids)
