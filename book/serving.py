"""Serve the built book with kernels behind its cells, from one origin on 127.0.0.1."""

from __future__ import annotations

from book import server
from book.console import note
from book.folders import HTML, ROOT


def serve(port: int | None, *, open_browser: bool) -> int:
    """Serves until Ctrl-C or SIGTERM; afterwards no kernel, container or guest of it is left. 0 when it ended so."""

    def ready(address: str) -> None:
        print(f"Book: {address}", flush=True)
        note("Ctrl-C stops the book and everything that its pages started.")

    status = server.serve(HTML, ROOT, port or 0, open_browser, ready)
    note("Stopped; nothing of the book is running.")
    return status
