"""Docstrings of the reader's package on a page of the book: they are plain text with names between backticks."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_MEANT_AS_TEXT = re.compile(r"(?<!`)([*|\\])")
_CODE = re.compile(r"`([^`]+)`")


def as_markup(lines: list[str]) -> list[str]:
    """The same lines with names as code, and nothing else that reStructuredText would take for markup."""
    return [_outside_code(line) for line in lines]


def _outside_code(line: str) -> str:
    parts = _CODE.split(line)
    return "".join(
        f"``{part}``" if index % 2 else _MEANT_AS_TEXT.sub(r"\\\1", part) for index, part in enumerate(parts)
    )


def _process(_app: Sphinx, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    lines[:] = as_markup(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", _process)
    return {"version": "1", "parallel_read_safe": True}
