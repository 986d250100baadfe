"""A photograph of what could leak: processes, mounts, network links, cgroups, runtime folders."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from sandboxes.lifecycle import runtime_folder


@dataclass(frozen=True)
class Photograph:
    """Sets of names; a process is its pid, start time and command, so that a reused pid is another process."""

    processes: frozenset[str]
    mounts: frozenset[str]
    links: frozenset[str]
    cgroups: frozenset[str]
    runtime: frozenset[str]

    @classmethod
    def take(cls) -> Photograph:
        return cls(
            processes=frozenset(_processes()),
            mounts=frozenset(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
            links=frozenset(os.listdir("/sys/class/net")),
            cgroups=frozenset(str(path) for path in Path("/sys/fs/cgroup").glob("**/boundaries-*")),
            runtime=frozenset(path.name for path in runtime_folder().iterdir() if path.is_dir()),
        )

    def left_since(self, earlier: Photograph) -> dict[str, list[str]]:
        """What is there now and was not there then, by kind; empty when nothing was left."""
        names = ("processes", "mounts", "links", "cgroups", "runtime")
        more = {name: sorted(getattr(self, name) - getattr(earlier, name)) for name in names}
        return {name: found for name, found in more.items() if found}


def settled(earlier: Photograph, deadline_s: float = 10.0) -> dict[str, list[str]]:
    """What is left once things had `deadline_s` to end on their own."""
    until = time.monotonic() + deadline_s
    while (left := Photograph.take().left_since(earlier)) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def _processes() -> list[str]:
    """All processes but kernel threads, zombies and this one's own line of descent upwards."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = Path("/proc", entry, "stat").read_text()
            command = Path("/proc", entry, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        fields = stat.rpartition(")")[2].split()
        if fields[0] not in "ZX" and command:
            found.append(f"{entry} {fields[19]} {command[:150]}")
    return found
