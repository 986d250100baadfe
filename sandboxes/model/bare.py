"""A container made by hand, and what each step of making it changed."""

from __future__ import annotations

from dataclasses import dataclass

from sandboxes.model.cgroups import CgroupSample
from sandboxes.model.limits import Limits
from sandboxes.model.machine import Host, Process

SHOWN = 14
"""So many differences of a step are in its text; the record has all of them."""


@dataclass(frozen=True)
class Difference:
    """One thing about a process, before and after. None: there was, or is, no such thing."""

    what: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.what}: {_short(self.before)} → {_short(self.after)}"


@dataclass(frozen=True)
class Step:
    """One step on the way to a container. `calls` are the kernel calls with the section of their manual page.

    `ms` is the time that the calls took, on the clock of the process that made them. `changed` is what the kernel
    reports otherwise about that process than it did before; empty when nobody looked.
    """

    name: str
    calls: str
    ms: float
    changed: tuple[Difference, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.calls}, {self.ms:.2f} ms", *(str(item) for item in self.changed[:SHOWN])]
        more = [f"… and {len(self.changed) - SHOWN} more"] if len(self.changed) > SHOWN else []
        return "\n  ".join([*lines, *more])

    __repr__ = __str__


@dataclass(frozen=True)
class BareContainer:
    """A container made of kernel calls alone, as the kernel reports it now.

    `init` is its first process, `own` are the kinds of namespaces that it has for itself. `cgroup` is None when it has
    none of its own. `capabilities` are the effective ones of init. `mounts` counts what its mount namespace holds.
    `start_ms` is the time from the request until the last step was done.
    """

    name: str
    init: Process
    own: tuple[str, ...]
    limits: Limits
    cgroup: CgroupSample | None
    capabilities: tuple[str, ...]
    seccomp: str
    no_new_privileges: bool
    mounts: int
    steps: tuple[Step, ...]
    start_ms: float
    host: Host


@dataclass(frozen=True)
class Leak:
    """Whether one boundary of a container holds. `leaks` is True when inside and outside are the same thing.

    `question` says what was looked at; `inside` is what a command in the container saw, `outside` what the host has.
    """

    boundary: str
    leaks: bool
    question: str
    inside: str
    outside: str

    def __str__(self) -> str:
        verdict = "LEAKS" if self.leaks else "holds"
        return f"{self.boundary:<12} {verdict}  {self.question}: {_short(self.inside)} | host: {_short(self.outside)}"


def _short(value: str | None) -> str:
    if value is None:
        return "none"
    return value if len(value) <= 100 else value[:97] + "…"
