"""What happened to a guest as a whole: its state saved and restored, its memory taken away, its end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rollback:
    """A guest is again where it was. `restore_ms`: a new QEMU has its state; `identify_ms`: its clock is right and
    its random numbers are new. `total_ms` is the wall time at the caller.
    """

    restore_ms: float
    identify_ms: float
    total_ms: float


@dataclass(frozen=True)
class BalloonChange:
    """A balloon inflated or deflated. `guest_bytes` is what is left to the guest (QMP `query-balloon`);
    `inside_bytes` what its kernel counts as its memory (MemTotal), `host_bytes` what QEMU's process holds (Rss).
    """

    guest_bytes: tuple[int, int]
    inside_bytes: tuple[int, int]
    host_bytes: tuple[int, int]
    wall_ms: float


@dataclass(frozen=True)
class Stage:
    """A part of a start or an end: from `begin_ms` to `end_ms` after that began."""

    name: str
    begin_ms: float
    end_ms: float

    @property
    def duration_ms(self) -> float:
        return self.end_ms - self.begin_ms


@dataclass(frozen=True)
class Shutdown:
    """How a guest ended: by its "power button", by "poweroff" (or "reboot") inside, by "quit" of QEMU, or "killed".

    The stages follow each other; those after the power button begin when init says so on the console.
    """

    how: str
    stages: tuple[Stage, ...]
    total_ms: float
