"""Limits of a container: what a reader may write, and the engine's names for it."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

from sandboxes import request
from sandboxes.errors import BadRequest
from sandboxes.kernel import host
from sandboxes.model import Limits

LEAST_MEMORY = 6 << 20
"""Docker refuses less: a container's own start needs about as much."""
LEAST_PIDS = 16
"""runc, which starts every command, is a program of several threads, and each counts."""
MOST_PIDS = 32768
PERIOD_USEC = 100_000
PAGE_BYTES = 4096
LEAST_IO, MOST_IO = 64 << 10, 1 << 40

MEMORY, CPUS, PIDS = "128M", 0.5, 64
"""The book's own limits, where an engine enforces them."""

IO = str | int | Mapping[str, str | int]
"""Bytes a second for reading and writing alike, or {"read": …, "write": …}."""


class Default(enum.Enum):
    """What stands in for an argument that the reader did not write."""

    DEFAULT = "the book's own"

    def __repr__(self) -> str:
        return "DEFAULT"


DEFAULT = Default.DEFAULT


def default_or_asked(
    memory: str | int | Default | None,
    cpus: float | Default | None,
    pids: int | Default | None,
    io: IO | None,
    cpu_shares: int | None,
) -> tuple[Limits, frozenset[str]]:
    """The limits, and the kinds of them that the reader wrote. Raises BadRequest."""
    written = {"memory": memory, "cpu": cpus, "pids": pids}
    kinds = {kind for kind, value in written.items() if value is not DEFAULT}
    found = limits(
        MEMORY if isinstance(memory, Default) else memory,
        CPUS if isinstance(cpus, Default) else cpus,
        PIDS if isinstance(pids, Default) else pids,
        io,
        cpu_shares,
    )
    return found, frozenset(kinds | ({"io"} if found.io else set()) | ({"cpu"} if cpu_shares is not None else set()))


def limits(
    memory: str | int | None,
    cpus: float | None,
    pids: int | None,
    io: IO | None = None,
    cpu_shares: int | None = None,
) -> Limits:
    """Limits in bytes, cores and processes; None: no limit. Raises BadRequest."""
    machine = host()
    read, write = _io(io)
    return Limits(
        None if memory is None else request.size_bytes("memory", memory, least=LEAST_MEMORY, most=machine.memory_bytes),
        None if cpus is None else request.number("cpus", cpus, least=0.01, most=machine.cpus),
        None if pids is None else request.count("pids", pids, least=LEAST_PIDS, most=MOST_PIDS),
        read,
        write,
        None if cpu_shares is None else request.count("cpu_shares", cpu_shares, least=2, most=262144),
    )


def changed_limits(now: Limits, changed: Limits) -> Limits:
    """`changed` where it says something, else `now`."""
    said = {name: value for name, value in dataclasses.asdict(changed).items() if value is not None}
    return dataclasses.replace(now, **said)


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


def _io(io: IO | None) -> tuple[int | None, int | None]:
    if io is None:
        return None, None
    if not isinstance(io, Mapping):
        both = _rate(io)
        return both, both
    if not io or not set(io) <= {"read", "write"}:
        raise BadRequest("io", "is no table of rates.", seen=repr(io)[:80], remedy='{"read": "5M", "write": "5M"}')
    return _rate(io["read"]) if "read" in io else None, _rate(io["write"]) if "write" in io else None


def _rate(value: str | int) -> int:
    try:
        return request.size_bytes("io", value, least=LEAST_IO, most=MOST_IO)
    except BadRequest as error:
        raise BadRequest("io", "is no rate.", seen=error.seen, remedy='"64K" or more, bytes a second') from error
