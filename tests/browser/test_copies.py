"""Pages on a host without kernels: everything recorded is there, and the button says what to do."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Watch


@pytest.fixture
def reader(browser: Browser, copied: str) -> tuple[Page, Watch]:
    page, watch = browser.new_page(), Watch(copied)
    watch.on(page)
    page.goto(f"{copied}/states.html")
    return page, watch


def test_widgets_show_their_recorded_state(reader: tuple[Page, Watch]) -> None:
    page, watch = reader
    expect(page.get_by_text("square 9")).to_be_visible()
    expect(page.get_by_role("button", name="pressed 0 times")).to_be_visible()
    expect(page.locator("#bars .main-svg").first).to_be_visible()
    assert (watch.foreign, watch.errors) == ([], [])
    page.close()


def test_the_button_says_in_words_how_to_run_the_book(reader: tuple[Page, Watch]) -> None:
    page, watch = reader
    page.get_by_role("button", name="Run this page").click()
    expect(page.get_by_role("alert")).to_contain_text("./textbook serve")
    expect(page.get_by_text("recorded in site")).to_be_visible()
    assert (watch.foreign, watch.errors) == ([], [])
    page.close()


def test_without_scripts_code_and_recorded_text_are_there(browser: Browser, copied: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{copied}/states.html")
    expect(page.get_by_text("recorded in site")).to_be_visible()
    expect(page.get_by_role("button", name="Run this page")).to_have_count(0)
    context.close()
