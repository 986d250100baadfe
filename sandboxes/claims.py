"""The ledger of claims, and the verdict that a measurement gives on one of them.

A verdict is computed: the ledger holds the thresholds, written down beforehand, and a measurement holds the figures.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sandboxes.errors import BadRequest
from sandboxes.measure import interval
from sandboxes.model import Measurement, Verdict

LEDGER = Path(__file__).resolve().parent.parent / "chapters" / "claims.yml"
BUSY = 0.5
"""Above this share of CPU time used by others, a measurement decides nothing."""

UNDECIDED = "undecided on this machine"
VERDICTS = ("holds", "holds, with limits", "outdated", "refuted", "history", UNDECIDED)
_UNITS_PER_SECOND = {"ms": 1000.0, "s": 1.0}


@dataclass(frozen=True)
class Band:
    """The verdict for figures below `below` (None: all that are left), and why, as a template for the sentence."""

    below: float | None
    verdict: str
    because: str


@dataclass(frozen=True)
class Figure:
    """Decides by size: the median of the sample called `name`, in `unit`; `bands` are in rising order."""

    name: str
    unit: str
    bands: tuple[Band, ...]


@dataclass(frozen=True)
class Facts:
    """Decides by observation: `verdict` when every fact was seen, else "refuted"."""

    names: tuple[str, ...]
    verdict: str


@dataclass(frozen=True)
class Claim:
    """One row of the ledger. `decided_by` is None while no page tests the claim, and for history: a source decides.

    `sources` maps a key of the bibliography to how the text calls it.
    `text_expects` is the verdict that the page's prose is written for; a build in which another one comes out fails.
    """

    id: str
    section: str
    statement: str
    experiment: str
    page: str | None
    decided_by: Figure | Facts | None
    text_expects: str
    limits: str
    sources: Mapping[str, str]


@cache
def ledger(path: Path = LEDGER) -> Mapping[str, Claim]:
    """All claims by id, in the order of the source. Raises BadRequest where a row makes no sense."""
    claims = [_claim(row) for row in yaml.safe_load(path.read_text(encoding="utf-8"))]
    by_id = {claim.id: claim for claim in claims}
    if len(by_id) != len(claims):
        raise BadRequest("claims.yml", "has an id twice.", seen=f"{len(claims)} rows", remedy="make ids unique")
    return by_id


def _claim(row: Mapping[str, Any]) -> Claim:
    return Claim(
        id=row["id"],
        section=row["section"],
        statement=row["statement"],
        experiment=row["experiment"],
        page=row.get("page"),
        decided_by=_decision(row["id"], row.get("decided_by")),
        text_expects=(row.get("decided_by") or {}).get("text_expects", ""),
        limits=row.get("limits", ""),
        sources=dict(row.get("sources", {})),
    )


def _decision(claim_id: str, row: Mapping[str, Any] | None) -> Figure | Facts | None:
    if row is None:
        return None
    decision: Figure | Facts
    if "facts" in row:
        decision = Facts(tuple(row["facts"]), row["verdict"])
        verdicts, rising = [decision.verdict], bool(decision.names)
    else:
        bands = tuple(Band(band.get("below"), band["verdict"], band["because"]) for band in row["bands"])
        decision = Figure(row["figure"], row["unit"], bands)
        edges = [math.inf if band.below is None else band.below for band in bands]
        verdicts, rising = [band.verdict for band in bands], edges == sorted(set(edges)) and edges[-1] == math.inf
    if not rising or not set(verdicts) <= set(VERDICTS):
        raise BadRequest(
            "claims.yml",
            f"{claim_id} cannot decide anything.",
            seen=str(row)[:200],
            remedy="bands rise and the last has no `below`; verdicts are " + ", ".join(VERDICTS),
        )
    return decision


def claim(claim_id: str, measured: Measurement | Mapping[str, bool]) -> Verdict:
    """What was measured (a Measurement) or observed (fact -> seen or not) says about a claim of the ledger.

    A figure gives the verdict of the one band that holds the whole interval of its median; when the interval lies in
    two bands, or the machine was busy with other things, the verdict is "undecided on this machine".
    Raises BadRequest for an unknown claim, and when what the ledger asks for is not in `measured`.
    Source: chapters/claims.yml, with thresholds that were written down before anything was measured.
    """
    row = ledger().get(claim_id)
    if row is None or row.decided_by is None:
        raise BadRequest(
            "claim_id", "no claim with a threshold has this id.", seen=repr(claim_id), remedy="see claims.yml"
        )
    decision = row.decided_by
    if isinstance(decision, Figure) and isinstance(measured, Measurement):
        verdict, because = _by_figure(decision, measured)
    elif isinstance(decision, Facts) and isinstance(measured, Mapping):
        verdict, because = _by_facts(decision, measured)
    else:
        wanted = "a Measurement" if isinstance(decision, Figure) else "a mapping of facts to True or False"
        raise BadRequest(
            "measured", f"this claim is decided by {wanted}.", seen=type(measured).__name__, remedy="pass that"
        )
    return Verdict(
        claim_id, row.statement, verdict, because, threshold(decision), row.limits, tuple(row.sources.values())
    )


def threshold(decision: Figure | Facts) -> str:
    """The rule in words, as it was written down before anything was measured."""
    if isinstance(decision, Facts):
        return f"{decision.verdict} when observed: {'; '.join(decision.names)}. Else: refuted"
    words = [
        f"below {band.below:g} {decision.unit}: {band.verdict}" for band in decision.bands if band.below is not None
    ]
    return f"median of “{decision.name}” " + "; ".join([*words, f"else: {decision.bands[-1].verdict}"])


def _by_facts(decision: Facts, observed: Mapping[str, bool]) -> tuple[str, str]:
    if set(observed) != set(decision.names):
        raise BadRequest(
            "measured", "these are not the ledger's facts.", seen=", ".join(observed), remedy=", ".join(decision.names)
        )
    failed = [name for name in decision.names if not observed[name]]
    if failed:
        return "refuted", f"Not observed: {'; '.join(failed)}."
    return decision.verdict, f"Observed, all {len(decision.names)}: {'; '.join(decision.names)}."


def _by_figure(decision: Figure, measured: Measurement) -> tuple[str, str]:
    sample = next((sample for sample in measured.samples if sample.name == decision.name), None)
    if sample is None:
        names = ", ".join(sample.name for sample in measured.samples)
        raise BadRequest("measured", f"has no sample called {decision.name!r}.", seen=names, remedy="measure that one")
    if measured.busy_before > BUSY:
        return UNDECIDED, f"The machine was busy before we began: {measured.busy_before:.0%} of its CPU time was used."
    scale = _UNITS_PER_SECOND[decision.unit] / _UNITS_PER_SECOND[sample.unit]
    values = [value * scale for value in sample.values]
    low, high = interval(values)
    band = _band(decision, low)
    if band is not _band(decision, high):
        return UNDECIDED, f"The interval {low:.3g} to {high:.3g} {decision.unit} crosses a threshold."
    return band.verdict, band.because.format(median=statistics.median(values), low=low, high=high)


def _band(decision: Figure, value: float) -> Band:
    return next(band for band in decision.bands if band.below is None or value < band.below)
