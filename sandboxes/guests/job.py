"""A command that runs by itself in a guest."""

from __future__ import annotations

import time
from typing import Protocol

from sandboxes.errors import RunTimeout
from sandboxes.model import Result


class _Place(Protocol):
    @property
    def name(self) -> str: ...
    def run(self, command: list[str], *, timeout_s: float = ...) -> Result: ...


class Job:
    """`pid` is its number inside the guest. It leads a session of its own, which `stop` ends as a whole."""

    STOP_S = 5.0

    def __init__(self, place: _Place, pid: int, started: int) -> None:
        self._place, self.pid, self._started = place, pid, started

    def __repr__(self) -> str:
        return f"<job {self.pid} in {self._place.name}>"

    def running(self) -> bool:
        """Whether it has not ended. A later process with the same number is told apart by its start time."""
        seen = self._place.run(["cat", f"/proc/{self.pid}/stat"])
        return seen.exit_code == 0 and is_same_and_alive(seen.stdout, self._started)

    def stop(self) -> None:
        """SIGKILL to its session; afterwards it does not run. Does nothing when it has ended.

        Raises RunTimeout when it is still there after 5 s.
        """
        until = time.monotonic() + self.STOP_S
        while self.running():
            if time.monotonic() > until:
                raise RunTimeout(
                    f"Job {self.pid} in {self._place.name} does not end.",
                    seen=f"still there {self.STOP_S:g} s after SIGKILL",
                    remedy="close the guest",
                )
            self._place.run(["kill", "-KILL", f"-{self.pid}"])


def is_same_and_alive(stat: str, started: int) -> bool:
    """From the text of /proc/PID/stat: field 3 is the state, field 22 the start time (proc_pid_stat(5))."""
    fields = stat.rpartition(")")[2].split()
    return fields[0] not in "ZX" and int(fields[19]) == started
