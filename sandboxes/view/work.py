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

    def plan(self, word: str) -> str:
        """What do(word) is about to start or end, as a sentence."""
        if word == "load":
            return f"CPU load: busy loop number {len(self._busy) + 1} starts."
        if word == "allocate":
            return f"One more process asks for {BLOCK_MIB} MiB and writes to all of it."
        return "Everything that was started is ended."

    def do(self, word: str) -> None:
        """ "load": one more busy loop (it can use one CPU at the most); "allocate": one more block of memory, held
        until an OOM kill or "stop"; "stop": ends everything that was started."""
        if word == "load":
            self._busy.append(self._box.start(list(BUSY)))
        elif word == "allocate":
            self._blocks.append(self._box.start(list(HOLD)))
        else:
            jobs, self._busy, self._blocks = [*self._busy, *self._blocks], [], []
            for job in jobs:
                job.stop()

    def running(self) -> bool:
        """Whether anything was started and not stopped."""
        return bool(self._busy or self._blocks)
