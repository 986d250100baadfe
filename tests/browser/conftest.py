"""A browser that notes everything that should not happen, and the two books that it reads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
import yaml
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from book.folders import HTML, ROOT
from tests.contract.serving import Served, serve, start

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
]
PROBE = Path(__file__).parent / "probe"


@dataclass
class Watch:
    """What a page did that no page of the book may do."""

    origin: str
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def on(self, page: Page) -> None:
        page.on("request", self._request)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(f"page: {error}"))
        page.on("websocket", lambda socket: self._address(socket.url.replace("ws", "http", 1)))

    def _request(self, request: Request) -> None:
        self._address(request.url)

    def _address(self, url: str) -> None:
        if urlsplit(url).scheme not in ("blob", "data") and not url.startswith(f"{self.origin}/"):
            self.foreign.append(url)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"console: {message.text}")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; without one the tests are skipped on a reader's machine and fail in CI."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium on PATH: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def book() -> Iterator[Served]:
    """The book as a reader gets it: the real command."""
    served = start([sys.executable, "-m", "book", "serve", "--no-browser"])
    yield served
    assert served.stop() == 0


@pytest.fixture(scope="package")
def probe_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Source folder of the probe pages, built with the book's own configuration."""
    site = tmp_path_factory.mktemp("probe") / "site"
    shutil.copytree(PROBE, site)
    settings = yaml.safe_load((ROOT / "_config.yml").read_text())
    settings["sphinx"]["local_extensions"] = {
        name: str(ROOT / place) for name, place in settings["sphinx"]["local_extensions"].items()
    }
    settings["logo"] = str(ROOT / settings["logo"])
    settings["html"]["favicon"] = settings["logo"]
    settings["bibtex_bibfiles"] = [str(ROOT / place) for place in settings["bibtex_bibfiles"]]
    settings["exclude_patterns"] = []
    (site / "_config.yml").write_text(yaml.safe_dump(settings))
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        "build",
        str(site),
        "-W",
        "--keep-going",
    ]
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    done = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return site


@pytest.fixture(scope="package")
def probe(probe_site: Path) -> Iterator[Served]:
    served = serve(probe_site / "_build" / "html", probe_site)
    yield served
    assert served.stop() == 0


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., tuple[Page, Watch]]]:
    """open_page(served, name, width=, theme=) gives a page that has loaded, and its watch."""
    contexts = []

    def open_(served: Served, name: str, width: int = 1280, theme: str = "light") -> tuple[Page, Watch]:
        context = browser.new_context(viewport={"width": width, "height": 900 if width > 600 else 844})
        context.add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')")
        contexts.append(context)
        page, watch = context.new_page(), Watch(served.origin)
        watch.on(page)
        page.goto(served.address)
        page.wait_for_function("location.pathname.split('/').length > 3 || document.querySelector('article')")
        page.goto(f"{served.base}{name}.html", wait_until="load")
        return page, watch

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="package")
def copied(probe_site: Path) -> Iterator[str]:
    """Address of the probe's pages as plain files on a host that knows nothing of kernels."""
    yield from hosted(probe_site / "_build" / "html")


@pytest.fixture(scope="package")
def copied_book(book: Served) -> Iterator[str]:
    """Address of the book's pages as plain files."""
    yield from hosted(HTML)


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *given: object) -> None:
        pass


def hosted(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(folder)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def browser_page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()
