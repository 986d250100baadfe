"""The bench keeps what it has measured when a row cannot be."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from book import bench
from book.bench.row import Row, Tell
from sandboxes import measure
from sandboxes.errors import Unavailable
from sandboxes.model import Measurement


def small(pairs: int, tell: Tell) -> Measurement:
    """How long two short sleeps take."""

    def slept_ms(seconds: float) -> float:
        begun = time.perf_counter()
        time.sleep(seconds)
        return (time.perf_counter() - begun) * 1000

    return measure.paired(
        "Sleeps", ("short", lambda: slept_ms(0.001)), ("longer", lambda: slept_ms(0.002)), pairs=pairs, tell=tell
    )


def refused(pairs: int, tell: Tell) -> Measurement:
    raise Unavailable("The bench needs crun.", seen="not installed", remedy="apt-get install crun")


def test_a_row_that_fails_is_told_and_the_others_are_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "ROWS", (Row("first", small), Row("missing", refused), Row("last", small)))
    target = tmp_path / "rows.json"
    assert bench.bench(target, pairs=5) == 1
    assert [row["id"] for row in json.loads(target.read_text())] == ["first", "last"]
    told = capsys.readouterr()
    assert "missing was not measured: The bench needs crun." in told.out + told.err
    assert bench.bench(None, pairs=5, only=["first"]) == 0
