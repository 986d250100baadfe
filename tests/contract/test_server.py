"""The server gives pages and kernels to whoever has the token, on one origin, and ends when told to."""

from __future__ import annotations

import http.client
import http.cookiejar
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.contract.serving import PROGRAM, ROOT, Served, serve


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    (folder / "chapters").mkdir()
    (folder / "html" / "_static").mkdir(parents=True)
    (folder / "html" / "index.html").write_text("<h1>The book</h1>")
    (folder / "html" / "_static" / "page.js").write_text("export default 1;")
    (folder / "secret.txt").write_text("not a page")
    return folder


@pytest.fixture(scope="module")
def server(pages: Path) -> Iterator[Served]:
    served = serve(pages / "html", pages)
    yield served
    served.stop()


class Answer:
    def __init__(self, status: int, headers: http.client.HTTPMessage, body: bytes) -> None:
        self.status, self.headers, self.text = status, headers, body.decode(errors="replace")


def ask(
    server: Served, path: str, method: str = "GET", headers: dict[str, str] | None = None, body: str | None = None
) -> Answer:
    """One request as written: no redirect is followed and no path is tidied up."""
    connection = http.client.HTTPConnection(urlsplit(server.base).netloc, timeout=30)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def with_token(server: Served) -> dict[str, str]:
    return {"Authorization": f"token {server.token}"}


def logged_in(server: Served) -> dict[str, str]:
    """What a browser sends after it opened the address: cookies, no token."""
    jar = http.cookiejar.CookieJar()
    urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar)).open(server.address, timeout=30).read()
    return {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)}


def test_the_address_shows_the_book_and_the_token_leaves_it(server: Served) -> None:
    answer = urllib.request.build_opener(urllib.request.HTTPCookieProcessor()).open(server.address, timeout=30)
    assert answer.url == server.base
    assert b"The book" in answer.read()


@pytest.mark.parametrize("path", ["/book/", "/book/_static/page.js", "/api/kernels", "/api/contents", "/lab"])
def test_nothing_is_shown_without_the_token(server: Served, path: str) -> None:
    answer = ask(server, path)
    assert answer.status in (302, 403)
    assert "The book" not in answer.text


@pytest.mark.parametrize(
    "path", ["/book/../secret.txt", "/book/..%2fsecret.txt", "/book//etc/passwd", "/book/%2fetc/passwd"]
)
def test_nothing_outside_the_built_book_is_a_page(server: Served, path: str) -> None:
    answer = ask(server, path, headers=with_token(server))
    assert answer.status in (403, 404)
    assert "not a page" not in answer.text
    assert "root:" not in answer.text


def test_a_missing_page_says_so_in_words(server: Served) -> None:
    answer = ask(server, "/book/nothing.html", headers=with_token(server))
    assert answer.status == 404
    assert "no such page" in answer.text


def test_a_foreign_host_name_is_refused(server: Served) -> None:
    assert ask(server, "/book/", headers={**logged_in(server), "Host": "evil.example"}).status == 403


def test_a_kernel_needs_the_cross_site_key_when_a_cookie_logs_in(server: Served) -> None:
    assert ask(server, "/api/kernels", "POST", logged_in(server), "{}").status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_a_kernel_does_not_talk_to_another_origin(server: Served, origin: str) -> None:
    kernel = json.loads(ask(server, "/api/kernels", "POST", with_token(server), '{"name": "python3"}').text)["id"]
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    try:
        path = f"/api/kernels/{kernel}/channels"
        assert ask(server, path, headers={**upgrade, **logged_in(server), "Origin": origin}).status == 403
        assert ask(server, path, headers={**upgrade, "Origin": server.origin}).status == 403
    finally:
        assert ask(server, f"/api/kernels/{kernel}", "DELETE", with_token(server)).status == 204


def test_pages_may_load_and_call_this_origin_only(server: Served) -> None:
    headers = ask(server, "/book/", headers=with_token(server)).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["connect-src"] == f"'self' ws://{urlsplit(server.base).netloc}"
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    assert not [source for source in " ".join(policy.values()).split() if source.startswith("http")]
    assert headers["X-Boundaries"] == "kernels"


def test_there_is_no_terminal(server: Served) -> None:
    assert ask(server, "/api/terminals", "POST", with_token(server), "{}").status == 404


def test_a_page_that_did_not_change_is_not_sent_twice(server: Served) -> None:
    tag = ask(server, "/book/_static/page.js", headers=with_token(server)).headers["Etag"]
    assert ask(server, "/book/_static/page.js", headers={**with_token(server), "If-None-Match": tag}).status == 304


def test_chapters_open_as_notebooks(server: Served, pages: Path) -> None:
    head = "---\njupytext:\n  text_representation: {extension: .md, format_name: myst}\n"
    kernel = "kernelspec: {display_name: Python 3, language: python, name: python3}\n---\n"
    (pages / "chapters" / "one.md").write_text(f"{head}{kernel}# One\n\n```{{code-cell}} ipython3\n1 + 1\n```\n")
    path = "/api/contents/chapters/one.md?type=notebook&content=1"
    cells = json.loads(ask(server, path, headers=with_token(server)).text)["content"]["cells"]
    assert [(cell["cell_type"], cell["source"]) for cell in cells] == [("markdown", "# One"), ("code", "1 + 1")]


def test_a_kernel_starts_in_the_folder_of_its_page(server: Served, pages: Path) -> None:
    body = json.dumps({"path": "chapters/one.ipynb", "name": "one", "type": "notebook", "kernel": {"name": "python3"}})
    session = json.loads(ask(server, "/api/sessions", "POST", with_token(server), body).text)
    try:
        assert pages / "chapters" in {Path(os.readlink(f"/proc/{pid}/cwd")) for pid in children(server.process.pid)}
    finally:
        ask(server, f"/api/sessions/{session['id']}", "DELETE", with_token(server))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_and_its_kernels_without_a_question(pages: Path, number: signal.Signals) -> None:
    server = serve(pages / "html", pages)
    ask(server, "/api/kernels", "POST", with_token(server), '{"name": "python3"}')
    kernels = children(server.process.pid)
    assert kernels
    began = time.monotonic()
    assert server.stop(number) == 0
    assert time.monotonic() - began < 12
    assert not running(kernels, 5)


def test_kernels_end_when_the_server_is_killed(pages: Path) -> None:
    server = serve(pages / "html", pages)
    ask(server, "/api/kernels", "POST", with_token(server), '{"name": "python3"}')
    kernels = children(server.process.pid)
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    assert not running(kernels, 10)


def test_a_port_that_is_taken_is_an_error_in_words(server: Served, pages: Path) -> None:
    port = str(urlsplit(server.base).port)
    command = [sys.executable, "-c", PROGRAM, str(pages / "html"), str(pages), port]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert f"cannot listen on port {port}" in done.stderr
    assert done.stdout == ""


def running(pids: list[int], deadline_s: float) -> list[int]:
    """Those that still run after they had time to end: the guard among them ends just after its owner."""
    until = time.monotonic() + deadline_s
    while (found := [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()]) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
