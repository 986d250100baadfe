"""Every view in a real browser as a recorded page shows it: no kernel, no other host, light and dark, any width."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ipywidgets.embed import embed_data
from playwright.sync_api import Browser, Page, expect

from sandboxes import view
from sandboxes.model import Check, Twin, Verdict
from sandboxes.view import figures
from sandboxes.view.matrix import NamespaceTable
from tests.unit.test_view_figures import NEAR
from tests.unit.test_view_limits import FakeBox
from tests.unit.test_view_tables import BELOW, BOXED, GUEST, HOST, IN_GUEST, ON_HOST, TCG, Report, results
from tests.unit.test_view_waterfall import COLD, RESTORED

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium")
MISSING = next((str(one) for one in (CHROMIUM, ROOT / "book/vendor/widgets") if not one or not Path(one).exists()), "")
pytestmark = pytest.mark.skipif(
    bool(MISSING or not CHROMIUM) and not os.environ.get("CI"), reason="needs Chromium and set-up"
)


class Placed:
    """A place that answers with records instead of a running system."""

    def __init__(self, seen: Any, facts: Any) -> None:
        self.name, self._seen, self._facts = seen.place, seen, facts

    def namespaces(self) -> Any:
        return self._seen

    def facts(self) -> Any:
        return self._facts


def table() -> NamespaceTable:
    boxed = FakeBox().facts()
    return view.namespaces(Placed(ON_HOST, HOST), Placed(BOXED, boxed.host), Placed(IN_GUEST, GUEST))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "_static").mkdir()
    (folder / "_static/live").symlink_to(ROOT / "book/live")
    (folder / "_static/libraries").symlink_to(ROOT / "book/vendor")
    (folder / "page.html").write_text(page_html(), encoding="utf-8")
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Tests say enough."""


def page_html() -> str:
    panel = view.limits(FakeBox()).play([(0, {"cpus": 0.5}), (0.2, "load")], seconds=0.6)  # type: ignore[arg-type]
    widgets = {"namespaces": table(), "layers": view.layers(GUEST, BELOW), "limits": panel}
    recorded = embed_data(views=list(widgets.values()), drop_defaults=False)
    parts = [f'<section id="{name}">{html}</section>' for name, html in static_views().items()]
    for name, spec in zip(widgets, recorded["view_specs"], strict=True):
        kind = "application/vnd.jupyter.widget-view+json"
        parts.append(f'<section id="{name}"><script type="{kind}">{json.dumps(spec)}</script></section>')
    state = json.dumps(recorded["manager_state"]).replace("</", r"<\/")
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Views</title>
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<style>body {{ background: #fff; }} html[data-theme=dark] body {{ background: #121212; color: #eee; }}</style>
<script type="application/json" id="live-page">{{"page": "page", "kernel": "python3"}}</script>
<script src="_static/live/plotly.js"></script>
<script type="application/vnd.jupyter.widget-state+json">{state}</script></head><body><main><h1>Views</h1>
{"".join(parts)}</main><script type="module">
import {{ showRecordedWidgets }} from "./_static/live/recorded.js"; await showRecordedWidgets();
</script></body></html>"""


def static_views() -> dict[str, str]:
    shown = {
        "stamp": view.stamp(Report()),
        "twin": view.twin(Twin("uname -sr", results("Linux\n6.18\n", "Linux\n6.18\n", "Linux\n6.1\n"), (1,))),
        "verdict": view.verdict(Verdict("c", "A claim.", "holds", "3 ms", "below 5 ms", "one host", ("a", "b"))),
        "waterfall": view.waterfall(COLD, RESTORED),
        "checks": view.checks([Check("A task", False, "0", "1", "because", "try")]),
    }
    bundles: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "publish_display_data", bundles.append)
        view.measurement(NEAR)._ipython_display_()
    measured = "".join(bundle["text/html"] for bundle in bundles)
    return {**{name: one._repr_html_() for name, one in shown.items()}, "measurement": measured}


@pytest.fixture(params=[("light", 1280), ("dark", 390)], ids=["light-wide", "dark-narrow"])
def page(request: pytest.FixtureRequest, browser: Browser, site: str) -> Iterator[Page]:
    theme, width = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda one: None if one.url.startswith((site, "data:", "blob:")) else wrong.append(one.url))
    opened.goto(f"{site}/page.html")
    opened.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    expect(opened.locator("#limits .uplot")).to_have_count(3, timeout=20_000)
    expect(opened.locator("#measurement .main-svg").first).to_be_visible(timeout=20_000)
    yield opened
    context.close()
    assert wrong == []


def test_nothing_is_wider_than_the_page(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_axe_finds_no_violation(page: Page) -> None:
    page.add_script_tag(path=ROOT / "book/vendor/tests-only/axe/axe.min.js")
    page.locator("#layers .bnd-layer").nth(3).click()
    found = page.evaluate("async () => (await axe.run('main')).violations.map(v => [v.id, v.nodes.map(n => n.html)])")
    assert found == []


def test_controls_that_need_a_kernel_are_disabled_and_say_why(page: Page) -> None:
    panel = page.locator("#limits")
    expect(panel.get_by_text("recorded — run this page to use the controls")).to_be_visible()
    assert panel.locator("input, button").count() == 5
    assert panel.locator("input:disabled, button:disabled").count() == 5


def test_the_recorded_series_and_events_are_there_as_text(page: Page) -> None:
    panel = page.locator("#limits")
    expect(panel.get_by_role("log")).to_contain_text("CPU quota set to 0.5 cores.")
    panel.get_by_text("as text").click()
    expect(panel.locator("details tbody tr")).not_to_have_count(0)
    expect(panel.locator("details")).to_contain_text("/sys/fs/cgroup/x/cpu.stat")


def test_a_cell_says_who_shares_its_namespace_and_keeps_the_focus(page: Page) -> None:
    cell = page.get_by_role("button", name="user namespace 105 of box")
    cell.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#namespaces").get_by_role("status")).to_contain_text("host and box share it")
    expect(cell).to_be_focused()
    assert page.locator("#namespaces button[aria-pressed=true]").count() == 2
    page.keyboard.press("Space")
    assert page.locator("#namespaces button[aria-pressed=true]").count() == 0


def test_a_layer_opens_with_the_keyboard_and_shows_where_each_fact_was_read(page: Page) -> None:
    layer = page.get_by_role("button", name="QEMU process")
    layer.focus()
    page.keyboard.press("Enter")
    expect(layer).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("region", name="Facts about: QEMU process")).to_contain_text("smaps_rollup (Pss)")


def test_an_emulated_guest_promises_no_security(page: Page) -> None:
    assert TCG.emulated
    expect(page.locator("#layers .bnd-badge")).to_have_text("⚠ emulated: shows the mechanism, promises no security")


def test_a_figure_has_no_button_that_sends_it_away(page: Page) -> None:
    titles = page.locator("#measurement .modebar-btn").evaluate_all("all => all.map(one => one.dataset.title)")
    assert titles and not [title for title in titles if "share" in title.lower() or "plotly" in title.lower()]
