"""A balloon in a guest: pages that its kernel gives up, and that its host then takes back (virtio 1.2, 5.5)."""

from __future__ import annotations

import time
from collections.abc import Callable

from sandboxes import kernel
from sandboxes.guests.monitor import Monitor
from sandboxes.model import BalloonChange

LEAST_BYTES = 64 << 20
"""Less than this leaves a guest no room to answer."""

POLL_S = 0.02


def inflate(
    monitor: Monitor, pid: int, inside: Callable[[], int], guest_bytes: int, limit_s: float
) -> BalloonChange | None:
    """The guest has this much memory, and what it gave up is free on the host; None when it took longer.

    `inside` asks the guest how much memory its kernel counts. Raises what that raises, MonitorLost, SandboxGone.
    """
    begun = time.monotonic()
    before = actual_bytes(monitor), inside(), kernel.footprint(pid).rss_bytes
    monitor.execute("balloon", value=guest_bytes)
    while actual_bytes(monitor) != guest_bytes:
        if time.monotonic() - begun > limit_s:
            return None
        time.sleep(POLL_S)
    wall_ms = (time.monotonic() - begun) * 1000
    after = actual_bytes(monitor), inside(), kernel.footprint(pid).rss_bytes
    guest, seen_inside, host = zip(before, after, strict=True)
    return BalloonChange(guest, seen_inside, host, wall_ms)


def actual_bytes(monitor: Monitor) -> int:
    """What the balloon has left to the guest. Source: QMP `query-balloon`."""
    return int(monitor.execute("query-balloon")["actual"])
