"""What the limits panel makes a container do: busy loops, and blocks of memory that stay in use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sandboxes.model import CgroupSample, Container, Limits

BLOCK_MIB = 32
BUSY = ("sh", "-c", "while :; do :; done")
HOLD = ("sh", "-c", f"dd if=/dev/zero bs={BLOCK_MIB}M count=1 2>/dev/null | sleep 3600")
"""dd fills a buffer of its own and cannot get rid of it: sleep does not read, and a pipe holds 64 KiB (pipe(7))."""


class Job(Protocol):
    """A process running in the background of a place."""

    def running(self) -> bool: ...
    def stop(self) -> None: ...


class Box(Protocol):
    """A running container whose limits can be changed."""

    @property
    def name(self) -> str: ...
    def facts(self) -> Container: ...
    def sample(self) -> CgroupSample: ...
    def limit(
        self, *, memory: str | int | None = None, cpus: float | None = None, pids: int | None = None
    ) -> Limits: ...
    def start(self, command: str | Sequence[str]) -> Job: ...


class Work:
    """The jobs that were started in one container."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._busy: list[Job] = []
        self._blocks: list[Job] = []

    def load(self) -> str:
        """One more busy loop: a single one can use one CPU at the most. Says what was done."""
        self._busy.append(self._box.start(list(BUSY)))
        return f"CPU load started: {_count(len(self._busy), 'busy loop')}."

    def allocate(self) -> str:
        """One more block of memory, held until stop() or an OOM kill."""
        self._blocks.append(self._box.start(list(HOLD)))
        return (
            f"A process asked for {BLOCK_MIB} MiB and writes to all of it ({_count(len(self._blocks), 'time')} so far)."
        )

    def stop(self) -> str:
        """Ends everything that was started."""
        jobs, self._busy, self._blocks = [*self._busy, *self._blocks], [], []
        for job in jobs:
            job.stop()
        return "Everything that was started has been ended." if jobs else ""

    def running(self) -> bool:
        """Whether anything was started and not ended."""
        return bool(self._busy or self._blocks)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
