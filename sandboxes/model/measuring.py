"""What was measured, and what that says about a claim or a task."""

from __future__ import annotations

from dataclasses import dataclass

from sandboxes.model.engines import Engine
from sandboxes.model.guests import Accelerator
from sandboxes.model.machine import Host


@dataclass(frozen=True)
class Sample:
    """Named values of one quantity, in the order in which they were measured."""

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def n(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Ratio:
    """Median of paired ratios numerator/denominator with a bootstrap interval (`confidence`, percentile method)."""

    numerator: str
    denominator: str
    ratio: float
    low: float
    high: float
    n: int
    confidence: float

    def __str__(self) -> str:
        spread = f"{self.confidence:.0%} interval {self.low:.2f} to {self.high:.2f}, {self.n} pairs"
        return f"{self.numerator} = {self.ratio:.2f} × {self.denominator} ({spread})"


@dataclass(frozen=True)
class Measurement:
    """Two quantities measured in turn, pair by pair, on one host under one accelerator and engine.

    `busy_before` is the share of all CPU time, 0.0 to 1.0, that others used in the second before the first pair: a
    measurement on a crowded machine says little. Source: /proc/stat (proc_stat(5)).
    """

    title: str
    samples: tuple[Sample, Sample]
    ratio: Ratio
    busy_before: float
    host: Host
    engine: Engine | None
    accelerator: Accelerator | None
    date: str


@dataclass(frozen=True)
class Verdict:
    """What a measurement says about a claim of the ledger.

    `verdict` is one of "holds", "holds, with limits", "outdated", "refuted", "history", "undecided on this machine".
    `because` is one sentence with the figures; `threshold` was written down before the measurement.
    """

    claim: str
    statement: str
    verdict: str
    because: str
    threshold: str
    limits: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """One task of a lab, looked at in the real sandbox. `hint` is empty when it passed."""

    task: str
    passed: bool
    observed: str
    expected: str
    why: str
    hint: str
