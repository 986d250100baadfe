"""What a reader may ask of a container; checked in full before an engine is looked for."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Any

from sandboxes import request
from sandboxes.containers.profile import PROFILES, Profile
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

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_IMAGE = re.compile(r"[a-z0-9][a-zA-Z0-9._/:@-]{0,254}")


@dataclass(frozen=True)
class Wanted:
    """A container as asked for, checked and in the engine's units."""

    name: str
    image: str | None
    limits: Limits
    network: bool
    profile: Profile

    def host_config(self) -> dict[str, Any]:
        """HostConfig of the Engine API."""
        return {**self.profile.host_config, **resources(self.limits)}


def wanted(
    image: str | None,
    memory: str | int | None,
    cpus: float | None,
    pids: int | None,
    network: bool,
    profile: str,
    name: str | None,
) -> Wanted:
    """Raises BadRequest, naming the argument; nothing has been started then."""
    return Wanted(
        _text("name", name, _NAME, "letters, digits, . _ - (at most 40)") or f"box-{secrets.token_hex(3)}",
        _text("image", image, _IMAGE, 'a name that `docker images` lists, such as "alpine:3.20"'),
        limits(memory, cpus, pids),
        request.yes_or_no("network", network),
        PROFILES[request.one_of("profile", profile, PROFILES)],
    )


def limits(memory: str | int | None, cpus: float | None, pids: int | None) -> Limits:
    """Limits in bytes, cores and processes; None: no limit. Raises BadRequest."""
    machine = host()
    return Limits(
        None if memory is None else request.size_bytes("memory", memory, least=LEAST_MEMORY, most=machine.memory_bytes),
        None if cpus is None else request.number("cpus", cpus, least=0.01, most=machine.cpus),
        None if pids is None else request.count("pids", pids, least=LEAST_PIDS, most=MOST_PIDS),
    )


def changed_limits(now: Limits, changed: Limits) -> Limits:
    """`changed` where it says something, else `now`."""
    return Limits(
        now.memory_bytes if changed.memory_bytes is None else changed.memory_bytes,
        now.cpus if changed.cpus is None else changed.cpus,
        now.pids if changed.pids is None else changed.pids,
    )


def resources(wanted: Limits) -> dict[str, Any]:
    """The engine's names for limits.

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
    return found


def _text(field: str, value: str | None, pattern: re.Pattern[str], remedy: str) -> str | None:
    if value is None or (isinstance(value, str) and pattern.fullmatch(value)):
        return value
    shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "…"
    raise BadRequest(field, "is not a name that works here.", seen=shown, remedy=remedy)
