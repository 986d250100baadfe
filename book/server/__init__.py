"""The built book and the kernels behind its cells, from one origin on 127.0.0.1.

A Jupyter server does the work: its token, cookie, XSRF and Host checks guard the pages as they guard the kernels.
JupyterLab runs on the same server and opens the same chapters as notebooks. Nothing of the reader's own Jupyter
configuration is read, so that a password or an extension of theirs cannot change how the book runs.
"""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from jupyter_server.serverapp import ServerApp

from book.server.settings import ADDRESS, isolate, settings_for
from sandboxes.errors import Unavailable
from sandboxes.lifecycle import owner

__all__ = ["serve"]


def serve(html: Path, root: Path, port: int, open_browser: bool, on_ready: Callable[[str], None]) -> int:
    """Serve the book until SIGINT, SIGTERM or SIGHUP; afterwards no kernel is left. Returns 0.

    `port` 0 takes any free port. `on_ready` is called once, with the address to open (it carries the token).
    Raises Unavailable when the port is taken or the book is not built.
    """
    if not (html / "index.html").is_file():
        raise Unavailable("The book is not built.", seen=f"no index.html in {html}", remedy="run `./textbook build`")
    listening = _bind(port)
    folder = owner().folder / "jupyter"
    folder.mkdir(mode=0o700, exist_ok=True)
    isolate(folder)
    app = BookServer(config=settings_for(html, root, listening.getsockname()[1], open_browser))
    try:
        app.initialize(argv=[], find_extensions=False)
        app.http_server.add_socket(listening)
        address = f"http://{ADDRESS}:{app.port}/book/?token={app.identity_provider.token}"
        app.io_loop.add_callback(on_ready, address)
        app.start()
    finally:
        listening.close()
        BookServer.clear_instance()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


class BookServer(ServerApp):
    """A Jupyter server that reads no configuration files and stops when it is told to, without asking."""

    @property
    def config_file_paths(self) -> list[str]:
        return [str(self.config_dir)]

    def init_signal(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self.stop(from_signal=True))

    def _find_http_port(self) -> None:
        """The port is taken already: `serve` adds a socket that listens."""

    def _bind_http_server_tcp(self) -> bool:
        return True


def _bind(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((ADDRESS, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise Unavailable(
            f"The book cannot listen on port {port}.",
            seen=error.strerror or str(error),
            remedy="choose another with --port, or leave --port out: any free one is taken then",
        ) from error
    listening.setblocking(False)
    return listening
