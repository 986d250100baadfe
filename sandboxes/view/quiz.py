"""Questions to answer before looking: the texts stand in a YAML file beside the page, jupyterquiz shows them."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

import yaml
from IPython.display import HTML, display
from jupyterquiz import display_quiz  # type: ignore[import-untyped]

from sandboxes.errors import BadRequest
from sandboxes.view.assets import stylesheet


def quiz(file: str, name: str) -> None:
    """Show the questions `name` of a YAML file beside the page, with the explanation that each answer gets.

    Raises BadRequest where the file or the name does not exist.
    """
    asked = questions(Path(file), name)
    display(HTML(f"<style>{stylesheet('quiz')}</style>"))  # type: ignore[no-untyped-call]
    display_quiz(asked, border_radius=6)


def questions(path: Path, name: str) -> list[dict[str, Any]]:
    """The questions of that name: each has `question`, `type` and `answers` (answer, correct, feedback), as HTML."""
    if not path.is_file():
        raise BadRequest(
            "file", "there is no such file of questions.", seen=str(path), remedy="name a file beside the page"
        )
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    if name not in found:
        raise BadRequest("name", "the file has no such questions.", seen=name, remedy="one of " + ", ".join(found))
    return [
        {
            **question,
            "question": _html(question["question"]),
            "answers": [
                {**answer, "answer": _html(answer["answer"]), "feedback": _html(answer["feedback"])}
                for answer in question["answers"]
            ],
        }
        for question in found[name]
    ]


def _html(text: str) -> str:
    """Plain text as HTML; `words` between backticks become code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
