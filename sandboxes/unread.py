"""What a terminal shows and nobody has read yet."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sandboxes import request
from sandboxes.errors import RunTimeout, SandboxGone
from sandboxes.output import NEWEST_BYTES

MOST_CELLS = 1000
"""Rows or columns."""


class Unread:
    """Kept until it is read, the newest 1 MiB of it. `gone` makes the error of a program that has ended."""

    def __init__(self, gone: Callable[[str], SandboxGone]) -> None:
        self._arrived = threading.Condition()
        self._unread = bytearray()
        self._ended, self._gone = False, gone

    def add(self, data: bytes) -> None:
        """The program wrote this."""
        with self._arrived:
            self._unread += data
            del self._unread[: max(0, len(self._unread) - NEWEST_BYTES)]
            self._arrived.notify_all()

    def end(self) -> None:
        """Nothing comes any more; what is there stays readable."""
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()

    def read(self, timeout_s: float) -> bytes:
        """What was not read yet; waits for it for `timeout_s`, and returns nothing when nothing came."""
        limit = request.number("timeout_s", timeout_s, least=0, most=3600)
        with self._arrived:
            self._arrived.wait_for(lambda: self._unread or self._ended, limit)
            return self._take(len(self._unread))

    def read_until(self, mark: str | bytes, timeout_s: float) -> bytes:
        """Everything up to and with the first `mark`; what follows stays unread.

        Raises RunTimeout when it does not come in time, SandboxGone when the program ended without it.
        """
        wanted = mark.encode() if isinstance(mark, str) else bytes(mark)
        limit = request.number("timeout_s", timeout_s, least=0.01, most=3600)
        with self._arrived:
            self._arrived.wait_for(lambda: wanted in self._unread or self._ended, limit)
            at = self._unread.find(wanted)
            if at >= 0:
                return self._take(at + len(wanted))
            seen = bytes(self._unread[-200:]).decode(errors="replace")
        if self._ended:
            raise self._gone(seen)
        raise RunTimeout(f"The terminal did not show {mark!r} within {limit:g} s.", seen=seen, remedy="read() it")

    def _take(self, size: int) -> bytes:
        taken = bytes(self._unread[:size])
        del self._unread[:size]
        return taken
