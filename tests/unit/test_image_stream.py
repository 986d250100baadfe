"""What an engine tells while it builds or pulls becomes steps and blobs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandboxes.containers.images.build import KEPT_LINES, LINE_LENGTH, Step, follow
from sandboxes.containers.images.registry import parse_pull
from sandboxes.errors import BuildFailed
from sandboxes.model import Blob

DATA = Path(__file__).parent / "data/images"


def told(name: str) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in (DATA / f"{name}.jsonl").read_text().splitlines())


def test_a_build_is_told_step_by_step() -> None:
    steps: list[Step] = []
    follow(told("build-cached"), steps)
    assert [(step.instruction.split()[0], step.cached) for step in steps] == [
        ("FROM", False),
        ("LABEL", True),
        ("COPY", True),
        ("RUN", False),
    ]
    assert list(steps[-1].output) == ["out", "err"], "without the colours, and without the engine's own lines"


def test_a_failed_build_names_the_step_as_the_reader_counts_and_shows_its_output() -> None:
    with pytest.raises(BuildFailed) as raised:
        follow(told("build-failed"), [])
    assert raised.value.seen.startswith("step 4, RUN echo before; exit 3: ")
    assert "non-zero code: 3" in raised.value.seen and raised.value.seen.endswith("before")


def test_a_step_that_prints_without_end_is_kept_in_part() -> None:
    steps: list[Step] = []
    follow(
        iter([{"stream": "Step 1/1 : RUN yes"}, *({"stream": f"{n} " + "y" * 1000 + "\n"} for n in range(1000))]), steps
    )
    assert len(steps[0].output) == KEPT_LINES
    assert steps[0].output[-1].startswith("999 ") and len(steps[0].output[-1]) == LINE_LENGTH


def test_an_error_before_the_first_step_is_told_too() -> None:
    with pytest.raises(BuildFailed, match="before the first step: no space left"):
        follow(iter([{"error": "no space left"}]), [])


BASE, ADDED = Blob("sha256:40c99a02c54c" + "0" * 52, "", 10), Blob("sha256:4294d4a38ef1" + "0" * 52, "", 2)
CONFIG = Blob("sha256:742cfe4e43eb" + "0" * 52, "", 1)


def test_a_pull_moves_what_was_not_there() -> None:
    assert parse_pull(list(told("pull-new")), [CONFIG, BASE, ADDED]) == ((CONFIG, ADDED), (BASE,))


def test_the_same_pull_again_moves_nothing() -> None:
    assert parse_pull(list(told("pull-again")), [CONFIG, BASE, ADDED]) == ((), (CONFIG, BASE, ADDED))
