"""What a cell gave must not swallow the page below it: elements that an output leaves open are closed at its end."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])
MAY_STAY_OPEN = frozenset(["p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option"])
"""Elements whose end tag HTML lets one leave out; the browser closes them with their parent."""


class _OpenElements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.stack:
            while self.stack.pop() != tag:
                pass


def closed(html: str) -> str:
    """The same text with an end tag for each element that it leaves open."""
    parser = _OpenElements()
    parser.feed(html)
    parser.close()
    return html + "".join(f"</{tag}>" for tag in reversed(parser.stack) if tag not in MAY_STAY_OPEN)
