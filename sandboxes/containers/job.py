"""A command that runs on in a container, in the background."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from sandboxes.containers import command, members
from sandboxes.containers.command import Command
from sandboxes.kernel import Cgroup


class Job:
    """A background process. `pid` is its number inside; None when it had ended before it could be looked at."""

    def __init__(self, started: Command, cgroup: Callable[[], Cgroup]) -> None:
        self.command = started.argv
        self._started, self._cgroup = started, cgroup
        _, engine_pid, _ = started.state()
        seen = members.by_engine_pid(cgroup(), engine_pid)
        self.pid: int | None = seen[1] if seen else None

    def running(self) -> bool:
        """It has not ended yet. False as well when its container is gone."""
        try:
            return self._started.state()[0]
        except command.NOT_THERE:
            return False

    def stop(self) -> None:
        """It and its children are dead (SIGKILL). Safe to repeat."""
        if self.running():
            with contextlib.suppress(*command.NOT_THERE):  # its container ended meanwhile, and it with it
                command.end(self._started, self._cgroup)

    def __repr__(self) -> str:
        return f"<Job {' '.join(self.command)!r}, pid {self.pid} inside, {'running' if self.running() else 'ended'}>"
