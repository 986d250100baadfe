"""Verdicts are computed from figures and thresholds."""

from dataclasses import replace
from pathlib import Path

import pytest

from sandboxes import claims, measure
from sandboxes.claims import Band, Facts, Figure
from sandboxes.errors import BadRequest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_settling(monkeypatch):
    monkeypatch.setattr(measure, "SETTLE_S", 0.0)


def race(container_ms, guest_ms, busy=0.1):
    seen = measure.paired(
        "t", ("guest", iter(guest_ms).__next__), ("container", iter(container_ms).__next__), pairs=5, warmup=0
    )
    return replace(seen, busy_before=busy)


@pytest.mark.parametrize(
    ("ms", "verdict"),
    [(300, "outdated"), (4000, "holds"), (60_000, "refuted")],
)
def test_the_verdict_on_containers_follows_the_figure(ms, verdict):
    assert claims.claim("cmp-speed-ct", race([ms] * 5, [1] * 5)).verdict == verdict


@pytest.mark.parametrize(
    ("ms", "verdict"),
    [(2000, "outdated"), (45_000, "holds, with limits"), (200_000, "holds")],
)
def test_the_verdict_on_guests_follows_the_figure(ms, verdict):
    given = claims.claim("cmp-speed-vm", race([1] * 5, [ms] * 5))
    assert given.verdict == verdict
    assert f"{ms / 1000:.2f}" in given.because or f"{ms / 1000:.0f}" in given.because


def test_an_interval_across_a_threshold_is_undecided():
    given = claims.claim("cmp-speed-ct", race([500, 600, 990, 1500, 1600], [1] * 5))
    assert given.verdict == claims.UNDECIDED
    assert "crosses" in given.because


def test_a_busy_machine_is_undecided_whatever_it_measured():
    given = claims.claim("cmp-speed-ct", race([300] * 5, [1] * 5, busy=0.8))
    assert given.verdict == claims.UNDECIDED
    assert "80%" in given.because


def test_facts_hold_only_when_all_were_seen():
    names = claims.ledger()["ct-kernel"].decided_by.names
    assert claims.claim("ct-kernel", dict.fromkeys(names, True)).verdict == "holds"
    missing = {**dict.fromkeys(names, True), names[1]: False}
    given = claims.claim("ct-kernel", missing)
    assert given.verdict == "refuted"
    assert names[1] in given.because


def test_other_facts_than_the_ledgers_are_refused():
    with pytest.raises(BadRequest):
        claims.claim("ct-kernel", {"it looks fine": True})


def test_a_measurement_without_the_figure_is_refused():
    seen = measure.paired("t", ("x", lambda: 1.0), ("y", lambda: 1.0), pairs=3)
    with pytest.raises(BadRequest, match="container"):
        claims.claim("cmp-speed-ct", seen)


@pytest.mark.parametrize("unknown", ["nonsense", "vm-history"])
def test_a_claim_without_thresholds_cannot_be_decided(unknown):
    with pytest.raises(BadRequest):
        claims.claim(unknown, {})


@pytest.mark.parametrize(
    "row",
    [
        {"figure": "x", "unit": "s", "bands": [{"below": 2, "verdict": "holds", "because": ""}]},
        {
            "figure": "x",
            "unit": "s",
            "bands": [{"verdict": "holds", "because": ""}, {"below": 2, "verdict": "refuted", "because": ""}],
        },
        {"figure": "x", "unit": "s", "bands": [{"verdict": "probably", "because": ""}]},
        {"facts": [], "verdict": "holds"},
        {"facts": ["a"], "verdict": "sure"},
    ],
)
def test_a_row_that_cannot_decide_is_refused(row):
    with pytest.raises(BadRequest):
        claims._decision("x", row)


def test_the_threshold_is_said_in_words():
    rule = Figure("guest", "s", (Band(30, "outdated", ""), Band(None, "holds", "")))
    assert claims.threshold(rule) == "median of “guest” below 30 s: outdated; else: holds"
    assert "Else: refuted" in claims.threshold(Facts(("a",), "holds"))


def test_each_decided_claim_has_a_page_that_decides_it():
    for row in claims.ledger().values():
        if row.decided_by is not None:
            page = (ROOT / f"{row.page}.md").read_text()
            assert f'sb.claim("{row.id}"' in page, row.id


def test_each_source_of_the_ledger_is_in_the_bibliography():
    known = (ROOT / "book/frontmatter/references.bib").read_text()
    for row in claims.ledger().values():
        for source in row.sources:
            assert f"{{{source}," in known, source
