"""What lies between two readings of a container's files."""

from __future__ import annotations

from sandboxes.model import Activity, CgroupSample, IoStat

Pair = tuple[int, int]
Reading = tuple[CgroupSample, Pair | None, Pair | None]
"""A sample, bytes read and written on block devices, bytes received and sent."""


def rates(before: Reading, after: Reading) -> Activity:
    """What lies between two readings."""
    passed_s = after[0].at_s - before[0].at_s
    old, new = before[0].cpu, after[0].cpu
    periods = new.periods - old.periods
    disk, net = _per_s(before[1], after[1], passed_s), _per_s(before[2], after[2], passed_s)
    return Activity(
        interval_s=passed_s,
        cores=(new.usage_usec - old.usage_usec) / 1e6 / passed_s,
        throttled=(new.throttled_periods - old.throttled_periods) / periods if periods else None,
        memory_bytes=after[0].memory.current_bytes,
        processes=after[0].pids.current,
        read_bytes_per_s=disk[0],
        written_bytes_per_s=disk[1],
        received_bytes_per_s=net[0],
        sent_bytes_per_s=net[1],
    )


def parse_interfaces(dev: str) -> Pair:
    """Bytes received and sent by all interfaces but loopback, from /proc/PID/net/dev (proc_pid_net(5))."""
    rows = [line.partition(":") for line in dev.splitlines()[2:]]
    counters = [fields.split() for name, _, fields in rows if name.strip() != "lo"]
    return sum(int(row[0]) for row in counters), sum(int(row[8]) for row in counters)


def disk_bytes(devices: tuple[IoStat, ...] | None) -> Pair | None:
    """Bytes read and written, on all devices together; None when the kernel does not count them."""
    if devices is None:
        return None
    return sum(one.read_bytes for one in devices), sum(one.write_bytes for one in devices)


def _per_s(before: Pair | None, after: Pair | None, passed_s: float) -> tuple[float | None, float | None]:
    if before is None or after is None:
        return None, None
    return (after[0] - before[0]) / passed_s, (after[1] - before[1]) / passed_s
