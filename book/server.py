"""The built book and the kernels behind its cells, from one origin on 127.0.0.1.

A Jupyter server does the work: its token, cookie, XSRF and Host checks guard the pages as they guard the kernels.
JupyterLab runs on the same server and opens the same chapters as notebooks. Nothing of the reader's own Jupyter
configuration is read, so that a password or an extension of theirs cannot change how the book runs.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado import web
from traitlets import Unicode
from traitlets.config import Config

from sandboxes.errors import Unavailable
from sandboxes.lifecycle import MARK, owner

ADDRESS = "127.0.0.1"
IDLE_KERNEL_S = 1200
"""A kernel that no page is connected to and that does nothing is shut down after this; its sandboxes go with it."""

POLICY = "; ".join(
    (
        "default-src 'self'",
        # recorded plotly figures and Sphinx' own pages carry inline scripts; anywidget imports its modules from blob
        # addresses; the widgets' schema check (Ajv) compiles code
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "connect-src 'self' {websocket}",
        "frame-src 'self' blob: data:",
        "frame-ancestors 'none'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    )
)


class PageHandler(JupyterHandler, web.StaticFileHandler):
    """Files of the built book, for whoever has the token; the token leaves the address bar at the first page."""

    @web.authenticated
    async def get(self, path: str, include_body: bool = True) -> None:  # type: ignore[override]
        if self.get_query_argument("token", None):
            self.redirect(self.request.path)  # a cookie says it from now on
            return
        _ = self.xsrf_token  # reading it sets the cookie that JupyterLab's services send back
        await web.StaticFileHandler.get(self, path, include_body)

    @web.authenticated
    async def head(self, path: str) -> None:  # type: ignore[override]
        await web.StaticFileHandler.get(self, path, include_body=False)

    @property
    def content_security_policy(self) -> str:
        return POLICY.format(websocket=f"ws://{self.request.host}")

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-cache")  # an ETag answers quickly; a rebuilt book shows at once
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("X-Boundaries", "kernels")  # the page asks: is this a server with kernels, or a copy of files?

    def compute_etag(self) -> str | None:
        return web.StaticFileHandler.compute_etag(self)

    def write_error(self, status_code: int, **details: Any) -> None:
        """Say in words what is wrong; a reader who comes without the token sees this, not a form."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        missing = "There is no such page in the book. Its first page is at /book/."
        self.finish(missing if status_code == 404 else f"The book cannot show this page (HTTP {status_code}).")


class PromptConnection(ZMQChannelsWebsocketConnection):
    """Kernel messages leave at once: Nagle's algorithm and delayed ACKs (RFC 9293, 3.7.4) cost 40 ms a round trip."""

    def connect(self) -> Any:
        self.websocket_handler.set_nodelay(True)
        return super().connect()


class BookApp(ExtensionApp):
    """The book as an extension of the server: its pages are below <base_url>book/."""

    name = "book"
    extension_url = "/book/"
    html = Unicode(help="folder of the built book").tag(config=True)

    def initialize_handlers(self) -> None:
        self.handlers.append((r"/book/(.*)", PageHandler, {"path": self.html, "default_filename": "index.html"}))


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "book.server", "app": BookApp}]


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
    _isolate(folder)
    app = BookServer(config=_settings(html, root, listening.getsockname()[1], open_browser))
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


def _isolate(folder: Path) -> None:
    """Point Jupyter at folders of ours, and give the kernels our mark: should this process be killed, they go too."""
    os.environ.update(
        JUPYTER_CONFIG_DIR=str(folder / "config"),
        JUPYTER_DATA_DIR=str(folder / "data"),
        JUPYTER_RUNTIME_DIR=str(folder / "run"),
        JUPYTER_PREFER_ENV_PATH="1",
        IPYTHONDIR=str(folder / "ipython"),
        PYDEVD_DISABLE_FILE_VALIDATION="1",
    )
    os.environ[MARK] = owner().id
    overrides = folder / "config" / "labconfig" / "default_setting_overrides.json"
    overrides.parent.mkdir(parents=True)
    markdown_as_notebook = {"defaultViewers": {"markdown": "Jupytext Notebook", "myst": "Jupytext Notebook"}}
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    overrides.write_text(
        json.dumps(
            {
                "@jupyterlab/docmanager-extension:plugin": markdown_as_notebook,
                "@jupyterlab/apputils-extension:notification": quiet,
            }
        )
    )


def _settings(html: Path, root: Path, port: int, open_browser: bool) -> Config:
    settings = Config()
    settings.Application.log_level = logging.ERROR
    settings.BookApp.html = str(html)
    app = settings.ServerApp
    app.jpserver_extensions = {"book.server": True, "jupyterlab": True, "jupytext": True}
    app.ip, app.port, app.port_retries, app.root_dir = ADDRESS, port, 0, str(root)
    app.default_url, app.open_browser = "/book/", open_browser
    app.cookie_secret = secrets.token_bytes(32)  # a new one each time: an old cookie opens nothing
    app.allow_remote_access, app.allow_unauthenticated_access = False, False
    app.local_hostnames = ["localhost"]
    app.allow_root = os.geteuid() == 0
    app.terminals_enabled = False
    app.kernel_websocket_connection_class = PromptConnection
    settings.IdentityProvider.token = secrets.token_hex(24)
    settings.IdentityProvider.cookie_options = {"SameSite": "Lax"}
    settings.KernelManager.transport = "ipc"  # sockets in a folder of ours; tcp ports could be read by other users
    settings.KernelManager.shutdown_wait_time = 5.0
    kernels = settings.MappingKernelManager
    kernels.cull_idle_timeout, kernels.cull_interval, kernels.cull_connected = IDLE_KERNEL_S, 60, False
    settings.LabApp.extension_manager = "readonly"
    settings.LabApp.expose_app_in_browser = False
    return settings
