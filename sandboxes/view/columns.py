"""One command in several places: a column for each, a row for each line."""

from __future__ import annotations

from itertools import zip_longest

from sandboxes.model import Result, Twin
from sandboxes.view.markup import Markup, Shown, as_text, element, join, scrolling
from sandboxes.view.recorded import recorded_here

SHAPES = "●■▲◆★✚⬟⬢"


def twin(t: Twin) -> Shown:
    """The outputs side by side; = marks lines that are the same everywhere, ≠ lines that are not."""
    text = twin_text(t)
    label = f"Output of {t.command}, by place"
    table = element("table", element("thead", _head(t)), element("tbody", *_rows(t), *_error_row(t)))
    body = element(
        "figure",
        scrolling(label, table),
        element("figcaption", join(element("code", t.command), f" — {twin_summary(t)}")),
        as_text(text),
        element("p", str(recorded_here()), class_="bnd-prov"),
        class_="bnd bnd-twin",
        aria_label=label,
    )
    return Shown(body, text)


def twin_summary(t: Twin) -> str:
    """How much differs, in words."""
    lines = max((len(_lines(result)) for result in t.results), default=0)
    if not t.differing:
        return "the same in every place."
    if lines == 1:
        return "the answers differ."
    return f"{len(t.differing)} of {lines} lines differ."


def twin_text(t: Twin) -> str:
    """The same in plain text."""
    return "\n".join([f"{t.command}: {twin_summary(t)}", *(_paragraph(result) for result in t.results)])


def shapes(values: tuple[str | None, ...]) -> tuple[int, ...]:
    """Equal values get equal numbers, counted from 0 in the order in which they first appear."""
    order = list(dict.fromkeys(values))
    return tuple(order.index(value) for value in values)


def _lines(result: Result) -> list[str]:
    return result.stdout.splitlines()


def _paragraph(result: Result) -> str:
    head = f"{result.place}: exit {result.exit_code}, {result.wall_ms:.0f} ms"
    return "\n".join([head, *(f"  {line}" for line in [*_lines(result), *result.stderr.splitlines()])])


def _head(t: Twin) -> Markup:
    cells = [element("th", Markup('<span class="bnd-small">same?</span>'), scope="col")]
    for result in t.results:
        numbers = element("span", f"exit {result.exit_code} · {result.wall_ms:.0f} ms", class_="bnd-small")
        cells.append(element("th", result.place, numbers, scope="col"))
    return element("tr", *cells)


def _rows(t: Twin) -> list[Markup]:
    lines = zip_longest(*(_lines(result) for result in t.results))
    return [_row(cells, number in t.differing) for number, cells in enumerate(lines)]


def _row(cells: tuple[str | None, ...], differs: bool) -> Markup:
    mark, words = ("≠", "differs") if differs else ("=", "same")
    head = element("th", mark, scope="row", title=words, aria_label=words)
    if not differs:
        return element("tr", head, *(_cell(cell) for cell in cells))
    marked = (
        _cell(cell, element("i", SHAPES[shape % 8], class_=f"bnd-shape bnd-shape-{shape % 8}", aria_hidden="true"), " ")
        for cell, shape in zip(cells, shapes(cells), strict=True)
    )
    return element("tr", head, *marked, class_="bnd-differs")


def _cell(text: str | None, *before: str) -> Markup:
    if text is None:
        return element("td", *before, element("span", "no such line", class_="bnd-small"))
    return element("td", *before, element("span", text, class_="bnd-mono"))


def _error_row(t: Twin) -> list[Markup]:
    if not any(result.stderr for result in t.results):
        return []
    cells = (element("td", element("span", result.stderr.rstrip(), class_="bnd-mono")) for result in t.results)
    return [element("tr", element("th", "stderr", scope="row"), *cells)]
