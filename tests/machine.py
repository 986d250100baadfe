"""A photograph of what could leak: this session's processes, mounts, network links, cgroups, runtime folders.

The session marks its environment, which every process that it starts inherits: other programs do not count.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandboxes.lifecycle import runtime_folder

SESSION = "BOUNDARIES_TEST_SESSION"


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


def _processes() -> Iterator[str]:
    """Those that this session started and that still run: pid, start time (proc_pid_stat(5), field 22) and command."""
    mark = f"{SESSION}={os.environ[SESSION]}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            marked = mark in (folder / "environ").read_bytes().split(b"\0")
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if marked and fields[0] not in "ZX":
            yield f"{folder.name} {fields[19]} {command[:150]}"
