"""Serve the built book with kernels behind its cells, from one origin on 127.0.0.1."""

from __future__ import annotations

import socket

from book import server
from book.console import note
from book.folders import HTML, ROOT

USUAL_PORT = 8888


def port_is_free(port: int) -> bool:
    """Nobody listens there on 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def serve(port: int | None, *, open_browser: bool) -> int:
    """Serves on `port`; without one on the usual port when it is free, else on any. 0 asks for any.

    Serves until Ctrl-C or SIGTERM; afterwards no kernel, container or guest of it is left. 0 when it ended so."""

    def ready(address: str) -> None:
        print(f"Book: {address}", flush=True)
        note("Ctrl-C stops the book and everything that its pages started.")

    if port is None:
        port = USUAL_PORT if port_is_free(USUAL_PORT) else 0
    status = server.serve(HTML, ROOT, port, open_browser, ready)
    note("Stopped; nothing of the book is running.")
    return status
