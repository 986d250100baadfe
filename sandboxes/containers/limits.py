"""Limits of a container on this machine, and the engine's names for them."""

from __future__ import annotations

from typing import Any

from sandboxes.kernel import host
from sandboxes.limits import IO, Room
from sandboxes.model import Limits

PERIOD_USEC = 100_000
PAGE_BYTES = 4096


def room() -> Room:
    """All of this machine."""
    machine = host()
    return Room(machine.memory_bytes, machine.cpus)


def limits(
    memory: str | int | None,
    cpus: float | None,
    pids: int | None,
    io: IO | None = None,
    cpu_shares: int | None = None,
) -> Limits:
    """Limits in bytes, cores and processes; None: no limit. Raises BadRequest."""
    return room().limits(memory, cpus, pids, io, cpu_shares)


def resources(wanted: Limits) -> dict[str, Any]:
    """The engine's names for limits, but for those on devices.

    Memory+swap is one page more than memory, so that next to nothing is swapped out instead; were they equal, version 1
    would meet the limit on the sum first (try_charge, mm/memcontrol.c), and memory.failcnt would count nothing.
    CPU is given as quota and period, not NanoCpus: those cannot be changed by quota later.
    """
    found: dict[str, Any] = {}
    if wanted.memory_bytes is not None:
        found |= {"Memory": wanted.memory_bytes, "MemorySwap": wanted.memory_bytes + PAGE_BYTES}
    if wanted.cpus is not None:
        found |= {"CpuPeriod": PERIOD_USEC, "CpuQuota": round(wanted.cpus * PERIOD_USEC)}
    if wanted.pids is not None:
        found |= {"PidsLimit": wanted.pids}
    if wanted.cpu_shares is not None:
        found |= {"CpuShares": wanted.cpu_shares}
    return found
