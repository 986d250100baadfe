"""A container without a cgroup of its own, as under a rootless engine on version 1: known by its pid namespace."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from sandboxes.errors import SandboxGone, Unavailable
from sandboxes.kernel import Cgroup, pids_inside

PROC = Path("/proc")


@dataclass(frozen=True)
class PidSpace(Cgroup):
    """Its members are those of a pid namespace; there is no file that counts or limits them."""

    init: int = 0

    @property
    def folder(self) -> Path:
        """Raises Unavailable: there is none."""
        raise Unavailable(
            "The container has no cgroup of its own, so nothing is counted or limited for it.",
            seen=f"/proc/{self.init}/cgroup names no cgroup of this container: its engine is rootless",
            remedy="the book's private engine gives it one: run the book as root",
        )

    def pids(self) -> tuple[int, ...]:
        """The members, by the numbers of our own pid namespace. Raises SandboxGone when the first one has ended."""
        try:
            space = os.stat(PROC / str(self.init) / "ns/pid").st_ino
        except OSError as error:
            raise SandboxGone(
                "The container's first process has ended.", seen=str(error), remedy="start a new one"
            ) from error
        return tuple(sorted(pid for pid in _all() if _in(pid, space)))


def of_container(engine_pid: int, below: int | None) -> PidSpace | None:
    """The one whose first process the engine calls `engine_pid`; the engine is `below` that process here, if known."""
    for pid in _all():
        with contextlib.suppress(OSError):
            inside = pids_inside((PROC / str(pid) / "status").read_text())
            if inside[-1:] == (1,) and inside[-2:-1] == (engine_pid,) and (below is None or _descends(pid, below)):
                return PidSpace({}, None, init=pid)
    return None


def _all() -> list[int]:
    return [int(entry) for entry in os.listdir(PROC) if entry.isdigit()]


def _in(pid: int, space: int) -> bool:
    with contextlib.suppress(OSError):
        return os.stat(PROC / str(pid) / "ns/pid").st_ino == space
    return False


def _descends(pid: int, ancestor: int) -> bool:
    """proc_pid_stat(5), field 4: its parent, and so on."""
    while pid > 1 and pid != ancestor:
        pid = int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    return pid == ancestor
