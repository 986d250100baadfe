"""The machine itself: its kernel, its size, how its cgroups are mounted."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path

from sandboxes.kernel.mounts import cgroup_layout
from sandboxes.kernel.reading import PROC, kilobytes, table, text
from sandboxes.model import Host

_OS_RELEASE = (Path("/etc/os-release"), Path("/usr/lib/os-release"))


def host() -> Host:
    """This machine as its own kernel describes it (uname(2), proc_meminfo(5), os-release(5), mountinfo)."""
    name = os.uname()
    release = next((text(path) for path in _OS_RELEASE if path.is_file()), "")
    return Host(
        hostname=name.nodename,
        system=parse_os_release(release) or name.sysname,
        kernel=name.release,
        machine=name.machine,
        cpus=os.cpu_count() or 1,
        memory_bytes=parse_memory_total(text(PROC / "meminfo")),
        cgroups=cgroup_layout(text(PROC / "self/mountinfo")),
        boot_id=boot_id(),
    )


def boot_id() -> str:
    """A number that this kernel drew when it booted: equal for two places when one kernel runs both (random(4))."""
    return text(PROC / "sys/kernel/random/boot_id").strip()


def busy_share(seconds: float) -> float:
    """Share of all CPU time, 0.0 to 1.0, that was not idle during the next `seconds` (proc_stat(5))."""
    before = parse_cpu_times(text(PROC / "stat"))
    time.sleep(seconds)
    after = parse_cpu_times(text(PROC / "stat"))
    spent = after[0] - before[0]
    return 1 - (after[1] - before[1]) / spent if spent else 0.0


def parse_cpu_times(stat: str) -> tuple[int, int]:
    """Clock ticks of all CPUs since boot: all of them, and those without work (idle and iowait, fields 4 and 5)."""
    ticks = [int(word) for word in stat.split("\n", 1)[0].split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]


def parse_os_release(content: str) -> str:
    """PRETTY_NAME of os-release(5), or nothing."""
    for line in content.splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return " ".join(shlex.split(value))
    return ""


def parse_memory_total(content: str) -> int:
    """Bytes of usable RAM: MemTotal of /proc/meminfo (proc_meminfo(5))."""
    return kilobytes(table(content)["MemTotal"])


def free_bytes() -> int:
    """Memory that programs can still have without swapping: MemAvailable (proc_meminfo(5), Linux 3.14)."""
    return kilobytes(table(text(PROC / "meminfo"))["MemAvailable"])
