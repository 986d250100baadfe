"""A guest's console: the first serial port, read at all times, its last part kept."""

from __future__ import annotations

import contextlib
import socket
import threading

RING_BYTES = 1 << 20


class Console:
    """Reads until the other end closes. A guest whose console nobody reads stands still once the socket is full."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._kept = bytearray()
        self._lock = threading.Lock()
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
                with self._lock:
                    self._kept += data
                    del self._kept[:-RING_BYTES]
