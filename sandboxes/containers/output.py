"""The two output streams of a command, taken apart as they arrive, and bounded."""

from __future__ import annotations

import struct

KEPT_BYTES = 16 << 20
"""So much of each stream is kept; the rest is read and dropped, and the text says so."""

_HEADER = 8


class Streams:
    """Takes bytes in the engine's multiplexed format: [kind, 0, 0, 0, length as four bytes big-endian], then data.

    Source: Docker Engine API, "Attach to a container", section Stream format. Kind 1 is stdout, 2 is stderr.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._pending = bytearray()
        self._kept = {1: bytearray(), 2: bytearray()}
        self._dropped = {1: 0, 2: 0}

    def feed(self, data: bytes) -> None:
        """Take the next bytes, wherever they were cut."""
        self._pending += data
        while len(self._pending) >= _HEADER:
            kind, length = struct.unpack_from(">BxxxI", self._pending)
            if len(self._pending) < _HEADER + length:
                return
            self._keep(2 if kind == 2 else 1, bytes(self._pending[_HEADER : _HEADER + length]))
            del self._pending[: _HEADER + length]

    @property
    def stdout(self) -> str:
        return self._text(1)

    @property
    def stderr(self) -> str:
        return self._text(2)

    def _keep(self, kind: int, data: bytes) -> None:
        room = self._kept_bytes - len(self._kept[kind])
        self._kept[kind] += data[:room]
        self._dropped[kind] += max(0, len(data) - room)

    def _text(self, kind: int) -> str:
        text = self._kept[kind].decode(errors="replace")
        if dropped := self._dropped[kind]:
            text += f"\n[cut here: {dropped:,} more bytes were written and not kept]\n"
        return text
