"""Limits that a reader may ask of a container, wherever it runs."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass

from sandboxes import request
from sandboxes.errors import BadRequest
from sandboxes.model import Limits

LEAST_MEMORY = 6 << 20
"""Docker refuses less: a container's own start needs about as much."""
LEAST_PIDS = 16
"""runc, which starts every command, is a program of several threads, and each counts."""
MOST_PIDS = 32768
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


@dataclass(frozen=True)
class Room:
    """What the machine has that the containers run on."""

    memory_bytes: int
    cpus: int

    def default_or_asked(
        self,
        memory: str | int | Default | None,
        cpus: float | Default | None,
        pids: int | Default | None,
        io: IO | None = None,
        cpu_shares: int | None = None,
    ) -> tuple[Limits, frozenset[str]]:
        """The limits, and the kinds of them that the reader wrote. Raises BadRequest."""
        written = {"memory": memory, "cpu": cpus, "pids": pids}
        kinds = {kind for kind, value in written.items() if value is not DEFAULT}
        found = self.limits(
            MEMORY if isinstance(memory, Default) else memory,
            CPUS if isinstance(cpus, Default) else cpus,
            PIDS if isinstance(pids, Default) else pids,
            io,
            cpu_shares,
        )
        return found, frozenset(
            kinds | ({"io"} if found.io else set()) | ({"cpu"} if cpu_shares is not None else set())
        )

    def limits(
        self,
        memory: str | int | None,
        cpus: float | None,
        pids: int | None,
        io: IO | None = None,
        cpu_shares: int | None = None,
    ) -> Limits:
        """Limits in bytes, cores and processes; None: no limit. Raises BadRequest."""
        read, write = _io(io)
        return Limits(
            None
            if memory is None
            else request.size_bytes("memory", memory, least=LEAST_MEMORY, most=self.memory_bytes),
            None if cpus is None else request.number("cpus", cpus, least=0.01, most=self.cpus),
            None if pids is None else request.count("pids", pids, least=LEAST_PIDS, most=MOST_PIDS),
            read,
            write,
            None if cpu_shares is None else request.count("cpu_shares", cpu_shares, least=2, most=262144),
        )


def changed_limits(now: Limits, changed: Limits) -> Limits:
    """`changed` where it says something, else `now`."""
    said = {name: value for name, value in dataclasses.asdict(changed).items() if value is not None}
    return dataclasses.replace(now, **said)


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
