"""What a reader does on a page, and what they see."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

SLOW_MS = 60_000


def connect(page: Page) -> None:
    page.get_by_role("button", name="Run this page").click()
    expect(page.locator("body.live-page")).to_have_count(1, timeout=SLOW_MS)


def status(page: Page) -> Locator:
    return page.locator(".live-status")


def cell(page: Page, containing: str) -> Locator:
    """The cell whose code contains this text."""
    return page.locator("div.cell").filter(has=page.locator(".cell_input", has_text=containing)).first


def run(one: Locator) -> None:
    one.get_by_role("button", name=re.compile("^Run cell")).click()


def state(one: Locator) -> str | None:
    return one.get_attribute("data-live-state")


def expect_state(one: Locator, wanted: str, timeout_ms: float = 15_000) -> None:
    expect(one).to_have_attribute("data-live-state", wanted, timeout=timeout_ms)


def output(one: Locator) -> Locator:
    return one.locator(".cell_output")


def restart(page: Page) -> None:
    page.get_by_role("button", name="Restart …").click()
    page.get_by_role("dialog").get_by_role("button", name="Restart").click()
    expect(status(page)).to_contain_text("Restarted", timeout=SLOW_MS)


def violations(page: Page, axe: str) -> list[str]:
    """Serious and critical findings of axe-core, one line each."""
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']} ({one['impact']}): {node['target']} {node.get('failureSummary', '')}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
