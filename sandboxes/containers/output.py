"""The two output streams of a command, taken apart as they arrive from an engine."""

from __future__ import annotations

import struct

from sandboxes.output import KEPT_BYTES, Output, Told

_HEADER = 8
_NAMES = {1: "stdout", 2: "stderr"}


class Streams(Output):
    """Takes bytes in the engine's multiplexed format: [kind, 0, 0, 0, length as four bytes big-endian], then data.

    Source: Docker Engine API, "Attach to a container", section Stream format. Kind 1 is stdout, 2 is stderr.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES, *, newest: bool = False, told: Told | None = None) -> None:
        super().__init__(kept_bytes, newest=newest, told=told)
        self._pending = bytearray()

    def feed(self, data: bytes) -> None:
        """Take the next bytes, wherever they were cut."""
        self._pending += data
        while len(self._pending) >= _HEADER:
            kind, length = struct.unpack_from(">BxxxI", self._pending)
            if len(self._pending) < _HEADER + length:
                return
            self.add(_NAMES[2 if kind == 2 else 1], bytes(self._pending[_HEADER : _HEADER + length]))
            del self._pending[: _HEADER + length]
