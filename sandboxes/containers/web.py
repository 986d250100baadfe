"""One HTTP request to a container, over a connection that somebody else opened."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator

from sandboxes import model, request
from sandboxes.errors import BadRequest, Unavailable

MOST_BYTES = 4 << 20
LONGEST_S = 300.0

Dial = Callable[[str, int, float], socket.socket]


def get(dial: Dial, address: str, path: str, port: int, timeout_s: float) -> model.HttpAnswer:
    """The answer to GET; its body is cut at 4 MiB.

    Raises BadRequest, and Unavailable when nobody answers, or the answer is not whole after `timeout_s`.
    """
    if not isinstance(path, str) or not path.startswith("/") or not path.isascii() or not path.isprintable():
        raise BadRequest("path", "is no path.", seen=repr(path)[:80], remedy='"/index.html"')
    if " " in path:
        raise BadRequest("path", "holds a space.", seen=repr(path)[:80], remedy="%20")
    request.count("port", port, least=1, most=65535)
    timeout_s = request.number("timeout_s", timeout_s, least=0.01, most=LONGEST_S)
    begun = time.perf_counter()
    connection = http.client.HTTPConnection(address, port, timeout=timeout_s)
    try:
        connection.sock = dial(address, port, timeout_s)
        with _until(begun + timeout_s, connection.sock):
            connection.request("GET", path, headers={"Connection": "close"})
            said = connection.getresponse()
            body = said.read(MOST_BYTES).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(
            f"Nobody answers HTTP at {address}, port {port}.",
            seen=str(error) or type(error).__name__,
            remedy='start a server inside, such as box.start("httpd -f -p 80 -h /tmp")',
        ) from error
    finally:
        connection.close()
    wall_ms = (time.perf_counter() - begun) * 1e3
    return model.HttpAnswer(said.status, said.reason, dict(said.getheaders()), body, f"{address}:{port}", wall_ms)


@contextlib.contextmanager
def _until(end_s: float, line: socket.socket) -> Iterator[None]:
    """What is not done at `end_s`, time.perf_counter(), is cut off: a time-out of the socket bounds each read alone."""
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    line.settimeout(None)
    timer = threading.Timer(max(0.0, end_s - time.perf_counter()), hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException):
        if not late.is_set():
            raise
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError("the time was over before the answer was whole")
