"""What an engine tells while it builds, and a registry in its log, becomes steps and blobs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandboxes.containers.images.build import KEPT_LINES, LINE_LENGTH, Step, follow
from sandboxes.containers.images.registry import parse_served
from sandboxes.errors import BuildFailed

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


def test_what_a_registry_sent_is_in_its_log() -> None:
    log = (DATA / "registry.log").read_text()
    served = [digest[7:12] for digest in parse_served(log)]
    asked = [line.split('"')[1].split()[1] for line in log.splitlines() if line.startswith("127.0.0.1 ")]
    assert sorted(served) == sorted({path.rpartition(":")[2][:5] for path in asked if "sha256" in path})
    assert len(served) == 3, "a manifest, a configuration and one of two layers"


@pytest.mark.parametrize(
    "line",
    [
        '127.0.0.1 - - [x] "HEAD /v2/web/blobs/sha256:{} HTTP/1.1" 200 0 "" "docker"',
        '127.0.0.1 - - [x] "GET /v2/web/blobs/sha256:{} HTTP/1.1" 404 100 "" "docker"',
        '127.0.0.1 - - [x] "PUT /v2/web/manifests/sha256:{} HTTP/1.1" 201 0 "" "docker"',
    ],
)
def test_what_was_only_asked_about_or_brought_was_not_sent(line: str) -> None:
    assert parse_served(line.format("a" * 64)) == frozenset()
