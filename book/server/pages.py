"""The built book's pages, as an extension of the Jupyter server: behind its token, with a policy for their scripts."""

from __future__ import annotations

from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.extension.application import ExtensionApp
from tornado import web
from traitlets import Unicode

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


class BookApp(ExtensionApp):
    """The book as an extension of the server: its pages are below <base_url>book/."""

    name = "book"
    extension_url = "/book/"
    html = Unicode(help="folder of the built book").tag(config=True)

    def initialize_handlers(self) -> None:
        self.handlers.append((r"/book/(.*)", PageHandler, {"path": self.html, "default_filename": "index.html"}))


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "book.server.pages", "app": BookApp}]
