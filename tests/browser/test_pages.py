"""Every page of the book, as a reader gets it: recorded, run, on a wide and a narrow screen, in light and dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Page, expect

from book.folders import ROOT
from book.vendor import FOLDER as LIBRARIES
from tests.browser.conftest import Watch
from tests.browser.reading import cell, connect, expect_state, output, run, violations
from tests.contract.serving import Served

Opens = Callable[..., tuple[Page, Watch]]
RUNS_WITHIN_MS = 240_000
SCREENSHOTS = ROOT / "tests" / "screenshots"
CONTENTS = yaml.safe_load((ROOT / "_toc.yml").read_text())
FILES = [CONTENTS["root"], *(chapter["file"] for part in CONTENTS["parts"] for chapter in part["chapters"])]
LIVE = [file for file in FILES if "code-cell" in (ROOT / f"{file}.md").read_text()]
BOTH = pytest.mark.parametrize("theme", ["light", "dark"])
BROWSES = pytest.mark.timeout(600)


@pytest.fixture(scope="session")
def axe() -> str:
    return (LIBRARIES / "tests-only" / "axe" / "axe.min.js").read_text()


def settled(page: Page) -> None:
    """Widgets are drawn, figures too."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)


def picture(page: Page, file: str, words: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{Path(file).parent.name}-{Path(file).name}-{words}.png", full_page=True)


@BROWSES
@BOTH
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("file", FILES)
def test_a_page_fits_its_screen_and_breaks_no_rule_of_access(
    book: Served, open_page: Opens, axe: str, file: str, width: int, theme: str
) -> None:
    page, watch = open_page(book, file, width, theme)
    settled(page)
    picture(page, file, f"{width}-{theme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (watch.foreign, watch.errors) == ([], [])
    assert violations(page, axe) == []


@BROWSES
@pytest.mark.parametrize("file", LIVE)
def test_a_page_runs_from_top_to_bottom(book: Served, open_page: Opens, axe: str, file: str) -> None:
    page, watch = open_page(book, file)
    connect(page)
    page.get_by_role("button", name="Run all").click()
    done = "!document.querySelector('[data-live-state=running], [data-live-state=waiting]')"
    page.wait_for_function(done, timeout=RUNS_WITHIN_MS)
    settled(page)
    picture(page, file, "live")
    states = page.eval_on_selector_all("[data-live-state]", "cells => cells.map(cell => cell.dataset.liveState)")
    assert set(states) <= {"ok", "empty"}, output(page.locator("[data-live-state=error]").first).inner_text()
    assert states.count("ok") >= 5
    assert (watch.foreign, watch.errors) == ([], [])
    assert violations(page, axe) == []


@pytest.fixture
def limits(book: Served, open_page: Opens) -> Iterator[Page]:
    """The page about limits, with its container started."""
    page, _ = open_page(book, "chapters/2-containers/cgroups")
    connect(page)
    for code in ("import sandboxes", "box = sb.container"):
        run(cell(page, code))
        expect_state(cell(page, code), "ok", 60_000)
    yield page


@BROWSES
def test_a_cell_gives_output_from_a_container(limits: Page) -> None:
    one = cell(limits, "import sandboxes")
    one.locator(".CodeMirror").click()
    limits.keyboard.press("Control+A")
    limits.keyboard.type("print(box.run('echo from the $((40 + 2))nd').stdout)")
    limits.keyboard.press("Control+Enter")
    expect(limits.get_by_text("from the 42nd", exact=True)).to_be_visible(timeout=30_000)


@BROWSES
def test_a_slider_moves_the_limit_of_the_running_container(limits: Page) -> None:
    one = cell(limits, "sb.view.limits")
    run(one)
    expect_state(one, "ok", 60_000)
    chart = one.get_by_role("group", name="CPU in use")
    expect(chart).to_contain_text("quota", timeout=20_000)
    said = chart.locator(".bnd-small").inner_text()
    one.locator("input[type=range]").first.focus()
    for _ in range(5):
        limits.keyboard.press("ArrowRight")
    expect(chart.locator(".bnd-small")).not_to_have_text(said, timeout=10_000)


@BROWSES
def test_a_cell_gives_output_from_a_guest(book: Served, open_page: Opens) -> None:
    page, _ = open_page(book, "chapters/1-virtual-machines/anatomy")
    connect(page)
    run(cell(page, "import sandboxes"))
    one = cell(page, "vm = sb.guest")
    run(one)
    expect_state(one, "ok", 120_000)
    expect(output(one)).to_contain_text("Linux")


@pytest.mark.parametrize("file", LIVE)
def test_a_copy_without_kernels_shows_what_was_recorded(copied_book: str, browser_page: Page, file: str) -> None:
    watch = Watch(copied_book)
    watch.on(browser_page)
    browser_page.goto(f"{copied_book}/{file}.html")
    settled(browser_page)
    views = browser_page.locator('script[type="application/vnd.jupyter.widget-view+json"]').count()
    assert browser_page.locator(".widget-subarea").count() == views
    assert (watch.foreign, watch.errors) == ([], [])


@pytest.mark.parametrize("page", ["chapters/1-virtual-machines/anatomy.md"])
def test_a_chapter_opens_as_a_notebook_in_lab(book: Served, open_page: Opens, page: str) -> None:
    lab, _ = open_page(book, CONTENTS["root"])
    lab.goto(f"{book.origin}/lab/tree/{page}")
    expect(lab.locator(".jp-Notebook .jp-CodeCell").first).to_be_visible(timeout=60_000)
