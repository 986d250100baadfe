"""A port of this machine's loopback that leads to a port of a container."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from sandboxes.errors import BadRequest, SandboxError

HOST = "127.0.0.1"
MOST_CONNECTIONS = 64
_CHUNK = 1 << 16

Dial = Callable[[], socket.socket]
"""A new connection to the container's port; raises OSError."""


class Relay:
    """Listens on `port`. Each connection to it is joined to a new one of `dial`, until either side ends.

    Raises BadRequest, naming `field`, when the port of this machine that was asked for is taken.
    """

    def __init__(self, dial: Dial, port: int | None, field: str = "at") -> None:
        self._dial = dial
        self._open: set[socket.socket] = set()
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._closed = False
        try:
            self._listening = socket.create_server((HOST, port or 0))
        except OSError as error:
            raise BadRequest(
                field, "cannot be had on this machine.", seen=f"{HOST}:{port}: {error}", remedy="None: any free port"
            ) from error
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, name=f"relay-{self.port}", daemon=True).start()

    def close(self) -> None:
        """Nobody listens any more, and what was open is cut. Safe to repeat."""
        self._closed = True
        for one in (self._listening, *list(self._open)):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while not self._closed:
                self._room.acquire()
                caller, _ = self._listening.accept()
                threading.Thread(target=self._join, args=(caller,), daemon=True).start()

    def _join(self, caller: socket.socket) -> None:
        try:
            with caller, self._dial() as container:
                both = {caller, container}
                self._open |= both
                back = threading.Thread(target=_copy, args=(container, caller), daemon=True)
                back.start()
                _copy(caller, container)
                back.join()
                self._open -= both
        except (OSError, SandboxError):  # the container's port is closed: so is this connection
            return
        finally:
            self._room.release()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Until the source ends; then the target is told so."""
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
