"""Limits -> the texts to write and the files they go into, for either version of cgroups; nothing is written here.

Source: Documentation/admin-guide/cgroup-v2.rst; version 1: scheduler/sched-bwc.rst, cgroup-v1/{memory,pids,cpusets,
blkio-controller}.rst.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sandboxes import request
from sandboxes.errors import BadRequest
from sandboxes.model import CgroupLimits, IoLimit, NoLimit

PERIOD_USEC = 100_000
"""The kernel's usual CFS period (sched-bwc.rst)."""

_LEAST_CPUS = 0.01
"""The shortest quota is 1 ms in a period (sched-bwc.rst)."""

_MOST = 1 << 62
_DEVICE = re.compile(r"\d{1,6}:\d{1,9}")
_IO_FIELDS = ("read_bytes_per_s", "write_bytes_per_s", "read_operations_per_s", "write_operations_per_s")
_IO_KEYS = ("rbps", "wbps", "riops", "wiops")
_V1_IO_FILES = ("read_bps", "write_bps", "read_iops", "write_iops")


@dataclass(frozen=True)
class Setting:
    """One write: `text` into `file` of the folder that holds `controller` (named as in version 2)."""

    controller: str
    file: str
    text: str


def settings(limits: CgroupLimits, v1: Collection[str] = ()) -> tuple[Setting, ...]:
    """The writes that set these limits, in their order; `v1` are the controllers that a version 1 hierarchy holds.

    Version 1 limits memory and memory+swap, so there a limit of swap needs that of memory beside it.
    Raises BadRequest for a value that no kernel takes.
    """
    return (
        *_cpu(limits, "cpu" in v1),
        *_cpuset(limits),
        *(_memory_v1(limits) if "memory" in v1 else _memory_v2(limits)),
        *_pids(limits),
        *(setting for limit in limits.io for setting in _io(limit, "blkio" in v1)),
    )


def names_in_v1(controller: str) -> tuple[str, ...]:
    """What version 1 calls a controller of version 2; it counts CPU time in a controller of its own."""
    return {"cpu": ("cpu", "cpuacct"), "io": ("blkio",)}.get(controller, (controller,))


def shares_of(weight: int) -> int:
    """Version 1's cpu.shares, with which 100 is 1024: sched_weight_from_cgroup() in kernel/sched/sched.h."""
    return (weight * 1024 + 50) // 100


def weight_of(shares: int) -> int:
    """Version 2's cpu.weight for cpu.shares: sched_weight_to_cgroup() in kernel/sched/sched.h."""
    return min(max((shares * 100 + 512) // 1024, 1), 10_000)


def _cpu(limits: CgroupLimits, v1: bool) -> Iterator[Setting]:
    if limits.cpu_weight is not None:
        weight = request.count("cpu_weight", limits.cpu_weight, least=1, most=10_000)
        yield Setting("cpu", "cpu.shares", str(shares_of(weight))) if v1 else Setting("cpu", "cpu.weight", str(weight))
    if limits.cpus is None:
        return
    quota_usec = None
    if limits.cpus != "max":
        quota_usec = round(request.number("cpus", limits.cpus, least=_LEAST_CPUS, most=8192) * PERIOD_USEC)
    if v1:
        yield Setting("cpu", "cpu.cfs_period_us", str(PERIOD_USEC))
        yield Setting("cpu", "cpu.cfs_quota_us", str(quota_usec or -1))
    else:
        yield Setting("cpu", "cpu.max", f"{quota_usec or 'max'} {PERIOD_USEC}")


def _cpuset(limits: CgroupLimits) -> Iterator[Setting]:
    if limits.cpuset_cpus is not None:
        yield Setting("cpuset", "cpuset.cpus", limits.cpuset_cpus)


def _memory_v2(limits: CgroupLimits) -> Iterator[Setting]:
    if limits.memory_bytes is not None:
        yield Setting("memory", "memory.max", _amount("memory_bytes", limits.memory_bytes, "max"))
    if limits.swap_bytes is not None:
        yield Setting("memory", "memory.swap.max", _amount("swap_bytes", limits.swap_bytes, "max", least=0))


def _memory_v1(limits: CgroupLimits) -> Iterator[Setting]:
    """Memory+swap may never be less than memory (memory.rst 2.4), so it is lifted first and set last."""
    memory, swap = limits.memory_bytes, limits.swap_bytes
    if swap is None:
        if memory is not None:
            yield Setting("memory", "memory.limit_in_bytes", _amount("memory_bytes", memory, "-1"))
        return
    if memory is None or (memory == "max" and swap != "max"):
        raise BadRequest(
            "swap_bytes",
            "cannot be limited apart from memory by version 1 of cgroups.",
            seen=f"memory_bytes={memory!r}, swap_bytes={swap!r}",
            remedy="give both; swap may be limited only where memory is",
        )
    yield Setting("memory", "memory.memsw.limit_in_bytes", "-1")
    yield Setting("memory", "memory.limit_in_bytes", _amount("memory_bytes", memory, "-1"))
    if memory != "max" and swap != "max":
        total = int(_amount("memory_bytes", memory, "-1")) + int(_amount("swap_bytes", swap, "-1", least=0))
        yield Setting("memory", "memory.memsw.limit_in_bytes", str(total))


def _pids(limits: CgroupLimits) -> Iterator[Setting]:
    if limits.pids is not None:
        yield Setting("pids", "pids.max", _amount("pids", limits.pids, "max"))


def _io(limit: IoLimit, v1: bool) -> Iterator[Setting]:
    """Version 2 takes all four figures in one line; version 1 has a file for each, where 0 means no limit."""
    if not _DEVICE.fullmatch(limit.device):
        raise BadRequest("device", "is no block device.", seen=limit.device, remedy='"MAJOR:MINOR", as lsblk shows it')
    given = [(field, getattr(limit, field)) for field in _IO_FIELDS]
    no_limit = "0" if v1 else "max"
    texts = [None if value is None else _amount(field, value, no_limit) for field, value in given]
    if v1:
        for name, text in zip(_V1_IO_FILES, texts, strict=True):
            if text is not None:
                yield Setting("io", f"blkio.throttle.{name}_device", f"{limit.device} {text}")
    elif any(texts):
        words = " ".join(f"{key}={text}" for key, text in zip(_IO_KEYS, texts, strict=True) if text is not None)
        yield Setting("io", "io.max", f"{limit.device} {words}")


def _amount(field: str, value: int | NoLimit, no_limit: str, least: int = 1) -> str:
    return no_limit if value == "max" else str(request.count(field, value, least=least, most=_MOST))
