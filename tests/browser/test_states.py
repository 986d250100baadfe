"""A page says at all times what its kernel and its cells are doing."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.browser.reading import cell, connect, expect_state, output, restart, run, status
from tests.contract.serving import Served, serve

Opens = Callable[..., tuple[Page, Watch]]


@pytest.fixture
def page(probe: Served, open_page: Opens) -> Page:
    """The probe page, connected to a kernel that has run nothing."""
    page, _ = open_page(probe, "states")
    connect(page)
    if "before" in status(page).inner_text():
        restart(page)
    return page


def test_output_is_called_recorded_until_the_cell_has_run(page: Page) -> None:
    first = cell(page, "recorded in")
    expect_state(first, "recorded")
    expect(output(first)).to_contain_text("recorded in site")
    run(first)
    expect_state(first, "ok")
    expect(first.locator(".live-label")).to_contain_text("live")
    expect(output(first)).to_contain_text("recorded in site")


def test_text_comes_in_while_the_cell_runs(page: Page) -> None:
    run(cell(page, "recorded in"))
    ticking = cell(page, '"tick"')
    run(ticking)
    expect_state(ticking, "running")
    expect(output(ticking)).to_have_text("tick 0\n")
    expect_state(ticking, "ok")
    expect(output(ticking)).to_contain_text("tick 2")


def test_run_all_passes_a_wanted_error_and_leaves_out_what_is_run_by_hand(page: Page) -> None:
    page.get_by_role("button", name="Run all").click()
    expect_state(cell(page, "quiet"), "ok", 30_000)
    expect_state(cell(page, "1 / 0"), "error")
    expect_state(cell(page, "os._exit"), "empty")
    expect(status(page)).to_have_text("Ready")


def test_a_slider_goes_to_the_kernel_and_back(page: Page) -> None:
    one = cell(page, "IntSlider")
    run(one)
    expect_state(one, "ok")
    one.locator(".noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    expect(output(one)).to_contain_text("square 16")


def test_a_widget_of_our_own_goes_to_the_kernel_and_back(page: Page) -> None:
    run(cell(page, "IntSlider"))
    one = cell(page, "Counter")
    run(one)
    expect_state(one, "ok")
    one.get_by_role("button", name="pressed 0 times").click()
    expect(output(one)).to_contain_text("kernel heard 1")


def test_an_error_is_shown_and_what_waits_does_not_run(page: Page) -> None:
    wrong, after = cell(page, "nothing_of_that_name"), cell(page, "quiet")
    run(cell(page, "recorded in"))
    run(cell(page, '"tick"'))
    run(wrong)
    run(after)
    expect_state(wrong, "error")
    expect(output(wrong)).to_contain_text("NameError")
    expect(status(page)).to_have_text("Stopped at an error")
    expect_state(after, "empty")


def test_an_endless_cell_is_interrupted(page: Page) -> None:
    endless = cell(page, "while True")
    run(endless)
    expect_state(endless, "running")
    expect(status(page)).to_contain_text("Running")
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Interrupt").click()
    expect_state(endless, "interrupted")
    expect(status(page)).to_have_text("Interrupted")


def test_restart_asks_first_and_marks_what_is_out_of_date(page: Page) -> None:
    first = cell(page, "recorded in")
    run(first)
    expect_state(first, "ok")
    page.get_by_role("button", name="Restart …").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep it").click()
    expect_state(first, "ok")
    restart(page)
    expect_state(first, "stale")
    run(cell(page, '"tick"'))
    expect(output(cell(page, '"tick"'))).to_contain_text("NameError")


def test_a_restart_ends_a_cell_that_runs(page: Page) -> None:
    endless = cell(page, "while True")
    run(endless)
    expect_state(endless, "running")
    restart(page)
    expect_state(endless, "lost")


def test_a_kernel_that_dies_is_said_to_have_died_until_something_runs(page: Page) -> None:
    first, dying = cell(page, "recorded in"), cell(page, "os._exit")
    run(first)
    expect_state(first, "ok")
    run(dying)
    expect(status(page)).to_contain_text("The kernel died", timeout=30_000)
    expect_state(dying, "lost")
    expect_state(first, "stale")
    page.wait_for_timeout(3000)
    expect(status(page)).to_contain_text("The kernel died")
    run(first)
    expect_state(first, "ok", 30_000)
    expect(status(page)).to_have_text("Ready")


def test_the_same_kernel_is_found_after_a_reload(page: Page) -> None:
    run(cell(page, "recorded in"))
    expect_state(cell(page, "recorded in"), "ok")
    page.reload()
    connect(page)
    expect(status(page)).to_contain_text("the kernel you used before")
    run(cell(page, '"tick"'))
    expect_state(cell(page, '"tick"'), "ok")


def test_a_cell_is_edited_and_left_with_the_keyboard(page: Page) -> None:
    first = cell(page, "quiet")
    first.locator(".CodeMirror").click()
    page.keyboard.press("Control+A")
    page.keyboard.type("print('typed', 6 * 7)")
    page.keyboard.press("Control+Enter")
    edited = cell(page, "typed")
    expect(output(edited)).to_have_text("typed 42\n")
    page.keyboard.press("Escape")
    expect(edited.get_by_role("button", name="Run cell 11")).to_be_focused()
    edited.get_by_role("button", name="Undo edits").click()
    expect(first.locator(".CodeMirror")).to_contain_text("quiet = 41")


def test_shift_enter_goes_on_to_the_next_cell(page: Page) -> None:
    cell(page, "recorded in").locator(".CodeMirror").click()
    page.keyboard.press("Shift+Enter")
    expect_state(cell(page, "recorded in"), "ok")
    expect(cell(page, '"tick"').locator(".CodeMirror")).to_have_class("CodeMirror cm-s-default CodeMirror-focused")


def test_a_lost_connection_is_said_with_a_way_to_try_again(probe_site: Path, open_page: Opens) -> None:
    served = serve(probe_site / "_build" / "html", probe_site)
    try:
        page, _ = open_page(served, "states")
        connect(page)
        assert served.stop(signal.SIGTERM) == 0
        expect(status(page)).to_contain_text("Connection lost: trying again", timeout=20_000)
        expect(status(page)).to_contain_text("If the book was stopped", timeout=30_000)
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
    finally:
        served.stop()


def test_short_cells_are_short(page: Page) -> None:
    box = cell(page, "quiet").locator(".CodeMirror").bounding_box()
    assert box is not None
    assert box["height"] < 60


def test_outputs_stay_within_their_cells(page: Page) -> None:
    assert page.locator("div.cell div.cell").count() == 0


def test_a_whole_page_runs_without_an_error_and_without_another_origin(probe: Served, open_page: Opens) -> None:
    page, watch = open_page(probe, "states")
    connect(page)
    page.get_by_role("button", name="Run all").click()
    expect_state(cell(page, "quiet"), "ok", 30_000)
    expect(page.locator("#bars .main-svg").first).to_be_visible()
    assert watch.foreign == []
    assert watch.errors == []
