"""Places that a command can run in, and what it answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sandboxes.model.machine import Namespaces


@dataclass(frozen=True)
class Result:
    """One finished command: its exit status, its two output streams apart, and wall time as the caller saw it."""

    command: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    wall_ms: float
    place: str = ""

    def __str__(self) -> str:
        return self.stdout.rstrip("\n")

    def __repr__(self) -> str:
        words = self.command[2:] if self.command[:2] == ("sh", "-c") else self.command
        head = f"{self.place}$ {' '.join(words)}   [exit {self.exit_code}, {self.wall_ms:.0f} ms]"
        return "\n".join([head, *(text.rstrip("\n") for text in (self.stdout, self.stderr) if text)])


class Place(Protocol):
    """Anything that a command can run in. `kind` is "host", "container" or "guest"."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    def run(self, command: str | Sequence[str], *, timeout_s: float = 30.0) -> Result: ...
    def namespaces(self) -> Namespaces: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Twin:
    """One command, run in several places. `differing` holds the numbers (from 0) of unequal lines."""

    command: str
    results: tuple[Result, ...]
    differing: tuple[int, ...]
