"""What a process holds: its memory by who shares it, and its open files. proc.rst (smaps_rollup), proc_pid_fd(5)."""

from __future__ import annotations

import os
import re

from sandboxes.kernel.reading import PROC, about, kilobytes, of, table
from sandboxes.model import Descriptor, Footprint

_KINDS = (
    (re.compile(r"(socket|pipe|mnt|net|pid|user|uts|ipc|cgroup|time):\[\d+\]"), r"\1"),
    (re.compile(r"anon_inode:\[?([a-z_-]+)\]?.*"), r"\1"),
    (re.compile(r"/memfd:.*"), "memfd"),
    (re.compile(r"/dev/.*"), "device"),
)


def footprint(pid: int) -> Footprint:
    """Memory of a process. Raises SandboxGone when it has ended, Unavailable when it belongs to somebody else."""
    return parse_footprint(of(pid, "smaps_rollup"))


def parse_footprint(smaps_rollup: str) -> Footprint:
    """From the text of smaps_rollup (Linux 4.14): clean and dirty pages are counted together."""
    seen = {key: kilobytes(value) for key, value in table(smaps_rollup).items() if value.endswith(" kB")}
    return Footprint(
        rss_bytes=seen["Rss"],
        pss_bytes=seen["Pss"],
        shared_bytes=seen["Shared_Clean"] + seen["Shared_Dirty"],
        private_bytes=seen["Private_Clean"] + seen["Private_Dirty"],
        swap_bytes=seen["Swap"],
    )


def descriptors(pid: int) -> tuple[Descriptor, ...]:
    """The open files of a process, by number. Raises SandboxGone, Unavailable as footprint() does."""
    folder = PROC / str(pid) / "fd"
    with about(pid):
        numbers = sorted(int(name) for name in os.listdir(folder))
    found = []
    for number in numbers:
        try:
            target = os.readlink(folder / str(number))
        except FileNotFoundError:  # closed meanwhile
            continue
        found.append(Descriptor(number, descriptor_kind(target), target))
    return tuple(found)


def descriptor_kind(target: str) -> str:
    """What a link in /proc/PID/fd points to, in one word."""
    for pattern, kind in _KINDS:
        if match := pattern.fullmatch(target):
            return match.expand(kind)
    return "file"
