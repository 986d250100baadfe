"""What a container did within an interval."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Activity:
    """Rates over `interval_s`, and memory and processes at its end. None: the kernel keeps no such figure here.

    `cores` is CPU time by wall time; `throttled` the share of CFS periods in which the quota ran out, None when no
    period passed. Bytes read and written are those of block devices, not of the page cache; bytes received and sent
    those of all interfaces but loopback.
    Source: cgroup-v2.rst (cpu.stat, memory.current, pids.current, io.stat) and their version 1 counterparts;
    proc_pid_net(5), /proc/PID/net/dev.
    """

    interval_s: float
    cores: float
    throttled: float | None
    memory_bytes: int
    processes: int
    read_bytes_per_s: float | None
    written_bytes_per_s: float | None
    received_bytes_per_s: float | None
    sent_bytes_per_s: float | None
