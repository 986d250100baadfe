"""Questions to answer before looking: the texts stand in a YAML file beside the page, jupyterquiz shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from jupyterquiz import display_quiz  # type: ignore[import-untyped]

from sandboxes.errors import BadRequest

COLOURS = {
    "--jq-multiple-choice-bg": "#0b5a8a",
    "--jq-mc-button-bg": "#ffffff",
    "--jq-mc-button-border": "#5b6770",
    "--jq-mc-button-inset-shadow": "#ffffff",
    "--jq-many-choice-bg": "#0b5a8a",
    "--jq-numeric-bg": "#0b5a8a",
    "--jq-numeric-input-bg": "#ffffff",
    "--jq-numeric-input-label": "#ffffff",
    "--jq-numeric-input-shadow": "#ffffff",
    "--jq-string-bg": "#0b5a8a",
    "--jq-incorrect-color": "#a33b00",
    "--jq-correct-color": "#00664b",
    "--jq-text-color": "#ffffff",
    "--jq-link-color": "#ffffff",
}


def quiz(file: str, name: str) -> None:
    """Show the questions `name` of a YAML file beside the page, with the explanation that each answer gets.

    Raises BadRequest where the file or the name does not exist.
    """
    display_quiz(questions(Path(file), name), colors=COLOURS, border_radius=6)


def questions(path: Path, name: str) -> list[dict[str, Any]]:
    """The questions of that name: each has `question`, `type` and `answers` (answer, correct, feedback)."""
    if not path.is_file():
        raise BadRequest(
            "file", "there is no such file of questions.", seen=str(path), remedy="name a file beside the page"
        )
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    if name not in found:
        raise BadRequest("name", "the file has no such questions.", seen=name, remedy="one of " + ", ".join(found))
    chosen: list[dict[str, Any]] = found[name]
    return chosen
