"""Paired, interleaved measurement: two things in turn, pair by pair, so that a busy moment hits both alike.

The figure is the median of the pairs' ratios; its interval comes from the percentile bootstrap over pairs
(Efron, 1979, doi 10.1214/aos/1176344552).
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sandboxes import kernel, request
from sandboxes.errors import BadRequest
from sandboxes.model import Measurement, Place, Ratio, Report, Sample

CONFIDENCE = 0.95
RESAMPLES = 4000
SETTLE_S = 1.0
"""How long the machine is watched before the first pair."""

Quantity = tuple[str, Callable[[], float]]
"""A name, and a function that measures once and returns milliseconds (or what `unit` says)."""


def paired(
    title: str,
    numerator: Quantity,
    denominator: Quantity,
    *,
    pairs: int = 15,
    warmup: int = 1,
    unit: str = "ms",
    report: Report | None = None,
    tell: Callable[[str], None] | None = None,
) -> Measurement:
    """Measure both quantities `pairs` times in turn; which goes first changes with every pair.

    The first `warmup` pairs are thrown away. `report` names the engine and accelerator that take part; `tell`, when
    given, gets one line of text a pair.
    Raises BadRequest for fewer than 3 pairs: no interval could be given.
    """
    request.count("pairs", pairs, least=3, most=1000)
    request.count("warmup", warmup, least=0, most=100)
    (top_name, top), (bottom_name, bottom) = numerator, denominator
    busy_before = kernel.busy_share(SETTLE_S)
    tops: list[float] = []
    bottoms: list[float] = []
    for index in range(-warmup, pairs):
        if index % 2:
            low, high = bottom(), top()
        else:
            high, low = top(), bottom()
        if index < 0:
            continue
        tops.append(high)
        bottoms.append(low)
        if tell:
            tell(f"pair {index + 1:>2} of {pairs}: {top_name} {high:,.0f} {unit}, {bottom_name} {low:,.0f} {unit}")
    return Measurement(
        title=title,
        samples=(Sample(top_name, unit, tuple(tops)), Sample(bottom_name, unit, tuple(bottoms))),
        ratio=ratio(top_name, tops, bottom_name, bottoms),
        busy_before=busy_before,
        host=kernel.host(),
        engine=report.engine if report else None,
        accelerator=report.accelerator if report else None,
        date=datetime.now(UTC).isoformat(timespec="minutes"),
    )


def ratio(top_name: str, tops: Sequence[float], bottom_name: str, bottoms: Sequence[float]) -> Ratio:
    """Median of the paired ratios with its bootstrap interval. Raises BadRequest when a value is not above zero."""
    if min(*tops, *bottoms) <= 0:
        raise BadRequest("values", "must be above zero.", seen=f"{min(*tops, *bottoms)}", remedy="measure again")
    quotients = [high / low for high, low in zip(tops, bottoms, strict=True)]
    low, high = interval(quotients)
    return Ratio(top_name, bottom_name, statistics.median(quotients), low, high, len(quotients), CONFIDENCE)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Bootstrap interval of the median, CONFIDENCE wide. The same values give the same interval: the seed is fixed."""
    chance = random.Random(0)  # noqa: S311 - resampling, not secrecy
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
    tail = (1 - CONFIDENCE) / 2
    return medians[round(tail * (RESAMPLES - 1))], medians[round((1 - tail) * (RESAMPLES - 1))]


def start_ms(make: Callable[[], Place]) -> float:
    """Milliseconds from asking for a sandbox to its first answered command; it is closed before this returns."""
    return life_ms(make)[0]


def life_ms(make: Callable[[], Place]) -> tuple[float, float]:
    """Start (asking → first answered command) and stop (close asked → everything gone), in milliseconds.

    Raises BadRequest when the first command, `true`, does not succeed.
    """
    asked = time.perf_counter()
    place = make()
    try:
        answer = place.run(["true"])
        answered = time.perf_counter()
    finally:
        closing = time.perf_counter()
        place.close()
    closed = time.perf_counter()
    if answer.exit_code != 0:
        raise BadRequest(
            "make", "gave a sandbox that cannot run `true`.", seen=repr(answer), remedy="pick an image that has it"
        )
    return (answered - asked) * 1e3, (closed - closing) * 1e3
