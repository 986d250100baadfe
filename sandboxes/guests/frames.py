"""What host and agent say to each other, as frames: inside/agent.c says which there are.

A frame is a head of 27 bytes (a mark, its kind, an id, the length of its data) and the data. What is no frame, such as
what a program in the guest writes to the agent's port, is passed over until a head begins again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_BYTES = 2 << 20
"""No agent sends so much in one frame; a head that announces it is none."""

NOBODY = "0" * 16
"""Id of a frame that belongs to no command."""

_HEAD = re.compile(rb"\x01([A-Za-z])([0-9a-f]{16})(00[01][0-9a-f]{5})\n")
_HEAD_BYTES = 27


@dataclass(frozen=True)
class Frame:
    """One of them. `kind` is a letter."""

    kind: str
    id: str
    data: bytes = b""

    def packed(self) -> bytes:
        return b"\x01%b%b%08x\n%b" % (self.kind.encode(), self.id.encode(), len(self.data), self.data)

    @property
    def number(self) -> int:
        """Its data as a number; 0 when it is none."""
        text = self.data.strip()
        return int(text) if text.isdigit() and len(text) < 20 else 0


class Frames:
    """Feed it what came in, wherever it was cut; it gives the frames that are complete."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        self._pending += data
        while match := _HEAD.search(self._pending):
            end = match.end() + int(match[3], 16)
            if len(self._pending) < end:
                self._pending = self._pending[match.start() :]
                return
            frame = Frame(match[1].decode(), match[2].decode(), self._pending[match.end() : end])
            self._pending = self._pending[end:]
            yield frame
        self._pending = self._pending[1 - _HEAD_BYTES :]  # it may be the beginning of a head
