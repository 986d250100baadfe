"""What a container does, from two readings of its cgroup's files and of its network interfaces' counters."""

from __future__ import annotations

import time

from sandboxes import kernel, model
from sandboxes.containers.members import PROC
from sandboxes.kernel import Cgroup


def between(cgroup: Cgroup, init_pid: int, interval_s: float) -> model.Activity:
    """Two readings, `interval_s` apart. Raises SandboxGone, Unavailable."""
    before = _read(cgroup, init_pid)
    time.sleep(interval_s)
    return kernel.rates(before, _read(cgroup, init_pid))


def _read(cgroup: Cgroup, init_pid: int) -> kernel.Reading:
    return kernel.sample(cgroup), kernel.disk_bytes(kernel.details(cgroup).io), _net(init_pid)


def _net(init_pid: int) -> tuple[int, int] | None:
    try:
        return kernel.parse_interfaces((PROC / str(init_pid) / "net/dev").read_text())
    except OSError:
        return None
