"""Sphinx extension: pages with cells become live pages, with scripts and styles of ours alone.

Jupyter Book always loads sphinx-thebe, which points at a public service and at a script on another host. Its listeners
are taken off; ours add the page's own scripts. What a page needs is decided per page: prose stays free of scripts.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from book.extensions.outputs import closed

BOOK = Path(__file__).resolve().parent.parent
LEAVE_OUT = shutil.ignore_patterns("tests-only", ".*")


def setup(app: Sphinx) -> dict[str, Any]:
    app.setup_extension("sphinx_thebe")
    for listeners in app.events.listeners.values():
        listeners[:] = [one for one in listeners if one.handler.__module__ != "sphinx_thebe"]
    app.add_config_value("live_assets", _fingerprint(), "html", str)  # pages are written again when ours change
    app.connect("builder-inited", copy_assets)
    app.connect("doctree-resolved", close_outputs)
    app.connect("html-page-context", add_assets)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def copy_assets(app: Sphinx) -> None:
    """_static/live and _static/libraries of the built book are what is in book/live and book/vendor now."""
    if app.builder.format != "html":
        return
    for source, name in ((BOOK / "live", "live"), (BOOK / "vendor", "libraries")):
        target = Path(app.outdir, "_static", name)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, ignore=LEAVE_OUT)


def close_outputs(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Recorded HTML ends what it began; jupyterquiz, for one, leaves its container open."""
    for output in doctree.findall(nodes.container):
        if output.get("nb_element") == "cell_code_output":
            for raw in output.findall(nodes.raw):
                if raw.get("format") == "html":
                    raw.children = [nodes.Text(closed(raw.astext()))]


def add_assets(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Every page gets the style and names for its controls; a page with cells also gets what makes it live."""
    context["css_files"][:] = [one for one in context["css_files"] if "sphinx-thebe" not in str(one)]
    app.add_css_file("live/book.css")
    app.add_js_file("live/names.js", type="module", priority=900)
    if doctree is None or not _has_cells(doctree):
        return
    about = {"page": page, "kernel": "python3"}
    app.add_js_file(None, body=json.dumps(about), type="application/json", id="live-page")
    app.add_css_file("live/live.css")
    app.add_js_file("live/plotly.js", priority=100)  # recorded figures call Plotly while the page is read
    app.add_js_file("live/page.js", type="module", priority=900)


def _has_cells(doctree: nodes.document) -> bool:
    return any(node.get("nb_element") == "cell_code" for node in doctree.findall(nodes.container))


def _fingerprint() -> str:
    """Of the scripts and styles of the pages and of this extension."""
    digest = hashlib.sha256()
    for file in sorted([*(BOOK / "live").iterdir(), *(BOOK / "extensions").glob("*.py")]):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()
