"""The built book shows what ran, says where, and loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest

from book.folders import EXECUTED, ROOT
from sandboxes.claims import UNDECIDED, ledger

PAGES = sorted(
    str(path.relative_to(ROOT).with_suffix(""))
    for path in [*(ROOT / "chapters").rglob("*.md"), *(ROOT / "labs").rglob("lab.md")]
)
CHAPTERS = [page for page in PAGES if page.startswith("chapters")]
PAGE_BYTES = 1 << 20
PARTS = (
    "You will be able to",
    "**Time**",
    "**Needs**",
    "sb.view.quiz(",
    "sb.claim(",
    "## Summary",
    "## Further reading",
)


class Loads(HTMLParser):
    """What a browser would fetch on its own for a page: scripts, styles, images, frames."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        address = known.get("href") if tag == "link" else known.get("src")
        if address and tag in {"link", "script", "img", "iframe", "source", "video", "audio"}:
            if tag == "link" and known.get("rel") in {"next", "prev", "canonical"}:
                return
            self.found.append(address)


def executed(built: Path, page: str) -> nbformat.NotebookNode:
    return nbformat.read(EXECUTED / f"{page}.ipynb", 4)


@pytest.mark.parametrize("page", PAGES)
def test_each_cell_of_a_page_ran_and_none_failed(built: Path, page: str) -> None:
    cells = [cell for cell in executed(built, page).cells if cell.cell_type == "code"]
    assert len(cells) >= 5
    assert sum(bool(cell.outputs) for cell in cells) >= 2
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_again_in_a_fresh_kernel(built: Path, page: str, tmp_path: Path) -> None:
    """nbval runs the executed notebook from a copy of its chapter's folder, where its questions and checks are."""
    folder = tmp_path / "chapter"
    shutil.copytree(ROOT / Path(page).parent, folder)
    notebook = shutil.copy(EXECUTED / f"{page}.ipynb", folder)
    words = ["--nbval-lax", "-p", "no:cacheprovider", "-q", "--nbval-cell-timeout=240", notebook]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", folder, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert re.search(r"\d+ passed", done.stdout)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_nothing_from_another_origin_and_is_small(built: Path, page: str) -> None:
    text = (built / f"{page}.html").read_text()
    loads = Loads()
    loads.feed(text)
    assert not [address for address in loads.found if re.match(r"(https?:)?//", address)]
    assert len(text) < PAGE_BYTES


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_on_which_machine_it_was_recorded(built: Path, page: str) -> None:
    text = (built / f"{page}.html").read_text()
    assert os.uname().release in text
    assert re.search(r"Recorded 20\d\d-\d\d-\d\dT\d\d:\d\d", text)


@pytest.mark.parametrize("page", CHAPTERS)
def test_a_page_has_the_parts_of_a_page(page: str) -> None:
    text = (ROOT / f"{page}.md").read_text()
    words = len(re.sub(r"```\{code-cell\}.*?```", "", text, flags=re.DOTALL).split())
    assert 700 <= words <= 2200, words
    for part in PARTS:
        assert part in text, part
    assert text.count("```{exercise}") == text.count("```{solution}") >= 2


@pytest.mark.parametrize("row", [row for row in ledger().values() if row.decided_by], ids=lambda row: row.id)
def test_no_recorded_verdict_contradicts_its_page(built: Path, row: object) -> None:
    """A verdict that the text does not expect fails the build; one that this machine cannot decide does not."""
    shown = [
        output.data["text/plain"]
        for cell in executed(built, row.page).cells
        if cell.cell_type == "code" and f'sb.claim("{row.id}"' in cell.source
        for output in cell.outputs
        if "data" in output
    ]
    assert len(shown) == 1
    verdict = shown[0].splitlines()[1].split(" ", 1)[1]
    assert verdict in {row.text_expects, UNDECIDED}, shown[0]
