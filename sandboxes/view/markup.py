"""Static HTML made of escaped parts, and the object that a notebook shows."""

from __future__ import annotations

from html import escape

from sandboxes.view.assets import stylesheet


class Markup(str):
    """Text that is HTML already; every other text is escaped before it is joined to one."""

    __slots__ = ()


def element(name: str, *content: str, **attributes: str) -> Markup:
    """One element. `class_` and `aria_label` become class and aria-label; an attribute that is "" stands alone."""
    named = ((key.strip("_").replace("_", "-"), value) for key, value in attributes.items())
    head = "".join(f" {key}" if value == "" else f' {key}="{escape(value)}"' for key, value in named)
    return Markup(f"<{name}{head}>{join(*content)}</{name}>")


def join(*content: str) -> Markup:
    """The parts one after another, each escaped unless it is Markup."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in content))


def scrolling(label: str, *content: str) -> Markup:
    """A box that scrolls sideways by itself and can be reached with the keyboard (WCAG 2.1.1)."""
    return element("div", *content, class_="bnd-scroll", role="region", aria_label=label, tabindex="0")


def prose(text: str) -> Markup:
    """Words of a sentence; those between backticks are code."""
    parts = text.split("`")
    return join(*(element("code", part) if index % 2 else part for index, part in enumerate(parts)))


def as_text(text: str) -> Markup:
    """The text twin, folded."""
    return element("details", element("summary", "as text"), element("pre", text), class_="bnd-text")


class Shown:
    """Displays as HTML where there is a page, and as the same content in plain text where there is none."""

    def __init__(self, body: Markup, text: str) -> None:
        self._body, self._text = body, text

    def _repr_html_(self) -> str:
        return f"<style>{stylesheet('base')}{stylesheet('static')}</style>{self._body}"

    def __repr__(self) -> str:
        return self._text
