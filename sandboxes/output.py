"""The two output streams of a command: bounded, and told as they arrive."""

from __future__ import annotations

import codecs
from collections.abc import Callable

KEPT_BYTES = 16 << 20
"""So much of each stream of a command is kept; the rest is read and dropped, and the text says so."""

NEWEST_BYTES = 1 << 20
"""So much of each stream of a background process is kept, the newest of it."""

Told = Callable[[str, str], None]
"""Gets "stdout" or "stderr", and a piece of text, as it arrives."""


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


class Output:
    """Takes what a command wrote on "stdout" and "stderr"; tells it on, as text, at once."""

    def __init__(self, kept_bytes: int = KEPT_BYTES, *, newest: bool = False, told: Told | None = None) -> None:
        self._kept = {name: Kept(kept_bytes, newest=newest) for name in ("stdout", "stderr")}
        self._told = told
        self._decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in self._kept}

    def add(self, stream: str, data: bytes) -> None:
        """Takes the next bytes of one of them."""
        self._kept[stream].add(data)
        if self._told and (text := self._decoders[stream].decode(data)):
            self._told(stream, text)

    def hush(self) -> None:
        """Nobody is told any more; it is kept as before."""
        self._told = None

    @property
    def stdout(self) -> str:
        return self._kept["stdout"].text()

    @property
    def stderr(self) -> str:
        return self._kept["stderr"].text()

    @property
    def stdout_bytes(self) -> bytes:
        return bytes(self._kept["stdout"].data)
