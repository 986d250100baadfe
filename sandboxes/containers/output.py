"""The two output streams of a command, taken apart as they arrive, and bounded."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable

KEPT_BYTES = 16 << 20
"""So much of each stream of a command is kept; the rest is read and dropped, and the text says so."""

NEWEST_BYTES = 1 << 20
"""So much of each stream of a background process is kept, the newest of it."""

Told = Callable[[str, str], None]
"""Gets "stdout" or "stderr", and a piece of text, as it arrives."""

_HEADER = 8
_NAMES = {1: "stdout", 2: "stderr"}


class Kept:
    """The first bytes of a stream, or with `newest` the last ones; `dropped` counts those that were not kept."""

    def __init__(self, most_bytes: int, *, newest: bool = False) -> None:
        self.data = bytearray()
        self.dropped = 0
        self._most_bytes, self._newest = most_bytes, newest

    def add(self, data: bytes) -> None:
        """Takes the next bytes."""
        self.data += data
        excess = max(0, len(self.data) - self._most_bytes)
        self.dropped += excess
        if self._newest:
            del self.data[:excess]
        else:
            del self.data[self._most_bytes :]

    def text(self) -> str:
        """What is kept, and a line where something is missing."""
        text = bytes(self.data).decode(errors="replace")
        if not self.dropped:
            return text
        if self._newest:
            return f"[cut here: {self.dropped:,} earlier bytes were written and not kept]\n{text}"
        return f"{text}\n[cut here: {self.dropped:,} more bytes were written and not kept]\n"


class Streams:
    """Takes bytes in the engine's multiplexed format: [kind, 0, 0, 0, length as four bytes big-endian], then data.

    Source: Docker Engine API, "Attach to a container", section Stream format. Kind 1 is stdout, 2 is stderr.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES, *, newest: bool = False, told: Told | None = None) -> None:
        self._pending = bytearray()
        self._kept = {kind: Kept(kept_bytes, newest=newest) for kind in _NAMES}
        self._told = told
        self._decoders = {kind: codecs.getincrementaldecoder("utf-8")("replace") for kind in _NAMES}

    def feed(self, data: bytes) -> None:
        """Take the next bytes, wherever they were cut."""
        self._pending += data
        while len(self._pending) >= _HEADER:
            kind, length = struct.unpack_from(">BxxxI", self._pending)
            if len(self._pending) < _HEADER + length:
                return
            self._take(2 if kind == 2 else 1, bytes(self._pending[_HEADER : _HEADER + length]))
            del self._pending[: _HEADER + length]

    @property
    def stdout(self) -> str:
        return self._kept[1].text()

    @property
    def stderr(self) -> str:
        return self._kept[2].text()

    @property
    def stdout_bytes(self) -> bytes:
        return bytes(self._kept[1].data)

    def _take(self, kind: int, data: bytes) -> None:
        self._kept[kind].add(data)
        if self._told and (text := self._decoders[kind].decode(data)):
            self._told(_NAMES[kind], text)
