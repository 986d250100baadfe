"""The connection to a started command: its output is read from it, its input written to it.

The engine answers and then keeps the connection, which now carries the command's own bytes (Docker Engine API, "Start
an exec instance"). Asked without an Upgrade header it says 200, so that http.client reads on; the SDK's own reader
loses what arrives together with the response's header.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator

import docker

_CHUNK = 1 << 16


class Stream:
    """Starts the prepared command `exec_id`. `tty`: one raw stream, else the multiplexed format of `Streams`.

    Raises docker.errors.APIError when container or command are gone, a time-out after `timeout_s` without an answer.
    """

    def __init__(self, api: docker.APIClient, exec_id: str, *, tty: bool, timeout_s: float) -> None:
        address = f"{api.base_url}/v{api.api_version}/exec/{exec_id}/start"
        asked = {"Detach": False, "Tty": tty}
        self._response = api.post(address, json=asked, stream=True, timeout=timeout_s)
        try:
            raw = api._get_raw_response_socket(self._response)  # type: ignore[attr-defined]
        except BaseException:
            self._response.close()
            raise
        self._line: socket.socket = getattr(raw, "_sock", raw)
        self._line.settimeout(None)
        self._hang_up = socket.socket(fileno=os.dup(self._response.raw.fileno()))

    def read(self) -> bytes:
        """What has arrived, at least one byte; nothing at the end of the output."""
        return bytes(self._response.raw.read1(_CHUNK))

    def write(self, data: bytes) -> None:
        """The engine has taken the bytes. Raises OSError when the command does not read any more."""
        self._line.sendall(data)

    def finish(self) -> None:
        """The command reads end-of-file. Raises OSError, also over TLS, which Python ends both ways at once."""
        if isinstance(self._line, ssl.SSLSocket):
            raise OSError("an encrypted connection cannot be ended one way")
        self._line.shutdown(socket.SHUT_WR)

    def feed(self, data: bytes) -> None:
        """All of the input, then end-of-file; a command that does not read it all is left in peace."""
        with contextlib.suppress(OSError):
            self.write(data)
            self.finish()

    @contextlib.contextmanager
    def until(self, left_s: float) -> Iterator[threading.Event]:
        """Meanwhile, when the time is over, the connection is shut down (shutdown(2)), which ends a read that waits."""
        late = threading.Event()

        def hang_up() -> None:
            late.set()
            self.hang_up()

        timer = threading.Timer(left_s, hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def hang_up(self) -> None:
        """Reads and writes that wait end now. Safe to repeat."""
        with contextlib.suppress(OSError):
            self._hang_up.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """The connection is gone; the command is not ended by that."""
        self.hang_up()
        self._hang_up.close()
        self._response.close()
