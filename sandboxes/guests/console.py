"""A guest's console: the first serial port, read at all times, its last part kept."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque

from sandboxes.unread import Unread

RING_BYTES = 1 << 20
ARRIVALS = 1 << 14
"""So many moments are remembered at which something came."""


class Console:
    """Reads until the other end closes. A guest whose console nobody reads stands still once the socket is full."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._kept, self._dropped = bytearray(), 0
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=ARRIVALS)
        self._listeners: tuple[Unread, ...] = ()
        self._open = True
        self._lock = threading.Condition()
        self._reader = threading.Thread(target=self._read, name="guest console", daemon=True)
        self._reader.start()

    def text(self) -> str:
        """The last megabyte, with the serial port's line ends made into newlines."""
        with self._lock:
            kept = bytes(self._kept)
        return kept.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")

    def tail(self, lines: int = 12) -> str:
        """The last lines that are not empty."""
        return "\n".join([line for line in self.text().splitlines() if line.strip()][-lines:])

    def arrived_s(self, wanted: bytes, timeout_s: float) -> float | None:
        """When the first such text had come (monotonic); None when it has not in time, nor until the end."""
        with self._lock:
            self._lock.wait_for(lambda: wanted in self._kept or not self._open, timeout_s)
            at = self._kept.find(wanted)
            if at < 0:
                return None
            end = self._dropped + at + len(wanted)
            return next(moment for total, moment in self._arrivals if total >= end)

    def listen(self, listener: Unread) -> None:
        """From now on it gets what arrives, too."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

    def unlisten(self, listener: Unread) -> None:
        """It gets no more."""
        with self._lock:
            self._listeners = tuple(other for other in self._listeners if other is not listener)

    @property
    def ended(self) -> bool:
        """Nothing comes any more: the other end is closed, or this one."""
        return not self._open

    def write(self, data: bytes) -> None:
        """The guest gets this as if it were typed. Raises OSError when it has ended, or reads nothing any more."""
        self._end.sendall(data, socket.MSG_DONTWAIT)

    def close(self) -> None:
        """Afterwards nothing reads any more; what was kept stays readable."""
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        self._reader.join(timeout=5)
        self._end.close()

    def settle(self, timeout_s: float = 1.0) -> None:
        """Wait for the last words of a guest that has ended."""
        self._reader.join(timeout=timeout_s)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._end.recv(65536):
                self._keep(data)
                for listener in self._listeners:
                    listener.add(data)
        with self._lock:
            self._open = False
            self._lock.notify_all()
        for listener in self._listeners:
            listener.end()

    def _keep(self, data: bytes) -> None:
        with self._lock:
            self._kept += data
            surplus = max(0, len(self._kept) - RING_BYTES)
            del self._kept[:surplus]
            self._dropped += surplus
            self._arrivals.append((self._dropped + len(self._kept), time.monotonic()))
            self._lock.notify_all()
