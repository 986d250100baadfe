"""A command that runs by itself in a container in a guest."""

from __future__ import annotations

from collections.abc import Callable

from sandboxes import request
from sandboxes.guests.job import SIGNALS, Job
from sandboxes.model import Result


class BoxJob:
    """A background process. `pid` is its number in the container, `guest_pid` that in the guest; both None when it had
    ended before it could be looked at. It has a cgroup of its own below the container's, by which it is ended.
    """

    def __init__(
        self,
        job: Job,
        argv: tuple[str, ...],
        pids: tuple[int, int] | None,
        ask: Callable[..., str],
        kill: Callable[[], None],
    ) -> None:
        self.command = argv
        self.guest_pid = pids[0] if pids else None
        self.pid = pids[1] if pids else None
        self._job, self._ask, self._kill = job, ask, kill

    @property
    def stdout(self) -> str:
        """What it wrote there so far: the newest MiB."""
        return self._job.stdout

    @property
    def stderr(self) -> str:
        """What it wrote there so far: the newest MiB."""
        return self._job.stderr

    @property
    def exit_code(self) -> int | None:
        """Its exit status, 128 + number when a signal ended it; None while it runs, or when its guest is gone."""
        return self._job.exit_code

    def running(self) -> bool:
        """It has not ended yet. False as well when its guest is gone."""
        return self._job.running()

    def wait(self, timeout_s: float = 30.0) -> Result:
        """Its result, once it has ended. Raises RunTimeout after `timeout_s`, and leaves it running; SandboxGone."""
        done = self._job.wait(timeout_s)
        return Result(self.command, done.exit_code, done.stdout, done.stderr, done.wall_ms, done.place)

    def signal(self, name: str) -> None:
        """The signal, such as "TERM" or "STOP" (signal(7)), has been sent to this process, not to its children.

        Does nothing when it has ended. Raises BadRequest, SandboxGone.
        """
        request.one_of("name", name, SIGNALS)
        if self.running() and self.guest_pid is not None:
            self._ask('kill -"$1" "$2" 2>/dev/null; true', name, str(self.guest_pid))

    def stop(self) -> None:
        """SIGKILL to it and to all that it started, whatever they did to hide, and also when it alone has ended.

        Safe to repeat. Raises RunTimeout when it is still there after 5 s.
        """
        self._kill()
        self._job.stop()

    def __repr__(self) -> str:
        return f"<job {self.pid} in a container, {'running' if self.running() else 'ended'}>"
