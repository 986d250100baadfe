"""The scripts and stylesheets beside this package, and uPlot, which set-up fetches."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sandboxes.errors import Unavailable

HERE = Path(__file__).parent
UPLOT_FOLDER = HERE.parents[1] / "book" / "vendor" / "uplot"
"""Set-up puts uPlot here, checked by hash. It travels inside the widget: JupyterLab has no page to take it from."""


@cache
def stylesheet(name: str) -> str:
    """The text of NAME.css of this folder."""
    return (HERE / f"{name}.css").read_text(encoding="utf-8")


@cache
def script(name: str) -> str:
    """NAME.js of this folder as one ES module, after the parts that all widgets share."""
    return "\n".join((HERE / f"{part}.js").read_text(encoding="utf-8") for part in ("parts", name))


def uplot(file_name: str) -> str:
    """One file of uPlot, as text. Raises Unavailable when set-up has not fetched it."""
    path = UPLOT_FOLDER / file_name
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Unavailable(
            "The library that draws live series, uPlot, is not here.",
            seen=f"{path}: {error.strerror}",
            remedy="run ./textbook build once: its set-up fetches uPlot",
        ) from error
