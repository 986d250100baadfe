"""One row of the bench: what is measured against what, and which ratio we want."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandboxes.model import Measurement

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """`measure` takes the number of pairs and gives a paired measurement.

    `target` is the ratio that we want, "≤ 0.20" or "≥ 0.98"; None: the row reports and promises nothing.
    """

    id: str
    measure: Callable[[int, Tell], Measurement]
    at_most: float | None = None
    at_least: float | None = None

    @property
    def target(self) -> str:
        """The wanted ratio in words, or nothing."""
        if self.at_most is not None:
            return f"≤ {self.at_most:.2f}"
        return f"≥ {self.at_least:.2f}" if self.at_least is not None else ""

    def reached(self, ratio: float) -> bool:
        """Whether the median ratio is what we want. It is told, never a reason to fail: machines differ."""
        return (self.at_most is None or ratio <= self.at_most) and (self.at_least is None or ratio >= self.at_least)


def as_data(row: Row, seen: Measurement) -> dict[str, Any]:
    """{id, target, reached, numerator, denominator, ratio, low, high, n, host}, with every value that was measured."""
    top, bottom = seen.samples
    host = {
        **dataclasses.asdict(seen.host),
        "busy_before": seen.busy_before,
        "date": seen.date,
        "engine": f"{seen.engine.name} {seen.engine.version}, {seen.engine.runtime} ({seen.engine.origin})"
        if seen.engine
        else None,
        "accelerator": seen.accelerator.name if seen.accelerator else None,
    }
    del host["hostname"]
    return {
        "id": row.id,
        "target": row.target,
        "reached": row.reached(seen.ratio.ratio),
        "numerator": {"name": top.name, "unit": top.unit, "values": top.values},
        "denominator": {"name": bottom.name, "unit": bottom.unit, "values": bottom.values},
        "ratio": seen.ratio.ratio,
        "low": seen.ratio.low,
        "high": seen.ratio.high,
        "n": seen.ratio.n,
        "host": host,
    }
