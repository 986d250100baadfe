"""Readings of a cgroup -> series to draw and events in words."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from sandboxes.model import CgroupSample

MIB = 1 << 20
RATE_WINDOW_S = 1.0
"""Rates are taken over about a second: a quota's period is 100 ms as a rule, so that ten periods are seen."""
THROTTLED_NOW = 0.02
GAP_S = 2.0
"""Nothing was read for so long: lines are not drawn across, and no rate is taken over it."""


@dataclass(frozen=True)
class Point:
    """One reading: `at_s` since the panel began; usage in cores; `throttled` share of periods, 0 to 1; MiB.

    A quota or limit of None: there is none. All None but `at_s`: a gap in which nothing was read.
    """

    at_s: float
    cores: float | None = None
    quota_cores: float | None = None
    throttled: float | None = None
    memory_mib: float | None = None
    limit_mib: float | None = None


class History:
    """The points of the last `seconds`, and what happened between one reading and the next."""

    def __init__(self, seconds: float, per_second: float) -> None:
        self._points: deque[Point] = deque(maxlen=int(seconds * per_second) + 1)
        self._recent: deque[CgroupSample] = deque()
        self._began_s: float | None = None
        self._throttled = False

    @property
    def latest(self) -> Point | None:
        return self._points[-1] if self._points else None

    def add(self, sample: CgroupSample) -> list[str]:
        """Keeps the reading; returns what it tells in words, mostly nothing."""
        self._began_s = sample.at_s if self._began_s is None else self._began_s
        if self._recent and sample.at_s - self._recent[-1].at_s > GAP_S:
            self._points.append(Point(self._points[-1].at_s + 0.001))
            self._recent.clear()
        previous = self._recent[-1] if self._recent else None
        while len(self._recent) > 1 and sample.at_s - self._recent[1].at_s >= RATE_WINDOW_S:
            self._recent.popleft()
        point = _point(sample, self._recent[0] if self._recent else None, sample.at_s - self._began_s)
        self._points.append(point)
        self._recent.append(sample)
        return [*self._throttling(point), *(memory_events(previous, sample) if previous else [])]

    def columns(self) -> dict[str, list[float | None]]:
        """The series as columns of equal length, rounded for the wire."""
        points = list(self._points)
        return {
            "at_s": [round(point.at_s, 2) for point in points],
            "cores": [_rounded(point.cores) for point in points],
            "quota_cores": [_rounded(point.quota_cores) for point in points],
            "throttled": [_rounded(point.throttled) for point in points],
            "memory_mib": [_rounded(point.memory_mib) for point in points],
            "limit_mib": [_rounded(point.limit_mib) for point in points],
        }

    def _throttling(self, point: Point) -> list[str]:
        if point.throttled is None:
            return []
        before, self._throttled = self._throttled, point.throttled > THROTTLED_NOW
        if self._throttled and not before:
            return ["Throttling began: the quota of a period was used up before the period ended."]
        return ["Throttling ended."] if before and not self._throttled else []


def memory_events(before: CgroupSample, after: CgroupSample) -> list[str]:
    """OOM kills between two readings, by the kernel's own counter."""
    kills = after.memory.oom_kills - before.memory.oom_kills
    if kills <= 0:
        return []
    ended = "a process" if kills == 1 else f"{kills} processes"
    limit = f", limit {after.memory.limit_bytes / MIB:.0f} MiB" if after.memory.limit_bytes else ""
    return [f"OOM kill: the kernel ended {ended} of this cgroup{limit}."]


def _point(sample: CgroupSample, since: CgroupSample | None, at_s: float) -> Point:
    cores, throttled = None, None
    if since and sample.at_s > since.at_s:
        cores = (sample.cpu.usage_usec - since.cpu.usage_usec) / 1e6 / (sample.at_s - since.at_s)
        periods = sample.cpu.periods - since.cpu.periods
        throttled = (sample.cpu.throttled_periods - since.cpu.throttled_periods) / periods if periods > 0 else 0.0
    limit = sample.memory.limit_bytes
    return Point(
        at_s,
        cores,
        sample.cpu.quota_cores,
        throttled,
        sample.memory.current_bytes / MIB,
        None if limit is None else limit / MIB,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
