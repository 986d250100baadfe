"""What the agent sends, taken apart: inside/agent says how it is framed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

PENDING_BYTES = 2 << 20
"""An agent sends 1.25 MiB and a little at a time; more than this is no agent."""


class Garbled(Exception):
    """The stream cannot be an agent's."""


@dataclass(frozen=True)
class Ready:
    """The agent has started: once after the boot, again if it was killed."""


@dataclass(frozen=True)
class Said:
    """An answer of one line."""

    id: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Ended:
    """A command has ended."""

    id: str
    status: int
    stdout: bytes
    stderr: bytes


class Replies:
    """Feed it what came in; it gives the replies that are complete."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> Iterator[Ready | Said | Ended]:
        self._pending += data
        while (taken := _take(self._pending)) is not None:
            reply, self._pending = taken
            if reply is not None:
                yield reply
        if len(self._pending) > PENDING_BYTES:
            raise Garbled(f"{len(self._pending):,} bytes and no end of a reply")


def _take(data: bytes) -> tuple[Ready | Said | Ended | None, bytes] | None:
    """The first reply and the rest; None for the reply when the line is none of the agent's; None: incomplete."""
    line, newline, rest = data.partition(b"\n")
    if not newline:
        return None
    words = tuple(line.decode(errors="replace").split())
    if words == ("ready",):
        return Ready(), rest
    if len(words) > 1 and words[0][0] == ".":
        return Said(words[0][1:], words[1:]), rest
    if len(words) == 2 and words[0][0] == "=" and words[1].isdigit():
        return _take_ended(words[0][1:], int(words[1]), rest)
    return None, rest


def _take_ended(command: str, status: int, data: bytes) -> tuple[Ended, bytes] | None:
    stdout, between, data = data.partition(f"\n{command}:e\n".encode())
    if not between:
        return None
    stderr, end, rest = data.partition(f"\n{command}:x\n".encode())
    return (Ended(command, status, stdout, stderr), rest) if end else None
