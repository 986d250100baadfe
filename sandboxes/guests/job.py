"""A command that runs by itself in a guest."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from sandboxes import request
from sandboxes.errors import RunTimeout, StartFailed
from sandboxes.guests.channel import SAY_S, Channel
from sandboxes.guests.exchange import ChannelLost, Overdue, Request
from sandboxes.model import Result
from sandboxes.output import NEWEST_BYTES, Output, Told

SIGNALS = tuple(sorted(name.removeprefix("SIG") for name in signal.Signals.__members__))
FOREVER_S = 1e6
STOP_S = 5.0


class Job:
    """A background process. `pid` is its number inside the guest. `stdout` and `stderr` are what it wrote until now,
    the newest 1 MiB of each; `over` is set once it has ended.
    """

    def __init__(
        self,
        channel: Channel,
        asked: Request,
        place: str,
        gone: Callable[[ChannelLost], NoReturn],
        told: Told | None = None,
    ) -> None:
        """It runs. Raises StartFailed when there is no such program, Overdue, ChannelLost."""
        self.command, self._place, self._gone, self._told = asked.words, place, gone, told
        self._output = Output(NEWEST_BYTES, newest=True, told=self._tell)
        self._failed: BaseException | None = None
        self._lost: ChannelLost | None = None
        self._code: int | None = None
        self.over = threading.Event()
        self._begun = self._ended = time.monotonic()
        with contextlib.ExitStack() as stack:
            self._exchange = stack.enter_context(channel.open(asked))
            try:
                status = self._exchange.begun(time.monotonic() + SAY_S, self._output)
            except queue.Empty:
                raise Overdue(killed=self._exchange.killed(self._output)) from None
            if status is not None:
                raise _refused(self)
            kept = stack.pop_all()
        self.pid = self._exchange.pid
        threading.Thread(target=self._listen, args=(kept,), name="guest job", daemon=True).start()

    @property
    def stdout(self) -> str:
        """What it wrote there so far: the newest MiB."""
        return self._output.stdout

    @property
    def stderr(self) -> str:
        """What it wrote there so far: the newest MiB."""
        return self._output.stderr

    @property
    def exit_code(self) -> int | None:
        """Its exit status, 128 + number when a signal ended it; None while it runs, or when its guest is gone."""
        return self._code

    def running(self) -> bool:
        """It has not ended yet. False as well when its guest is gone."""
        return not self.over.is_set()

    def wait(self, timeout_s: float = 30.0) -> Result:
        """Its result, once it has ended, however much later it is asked for. `wall_ms` is from its start to its end.

        Raises RunTimeout after `timeout_s`, and leaves it running; SandboxGone when its guest ended first; what
        `output` raised, which was then told no more; BadRequest.
        """
        limit_s = request.number("timeout_s", timeout_s, least=0.01, most=86_400)
        if not self.over.wait(limit_s):
            raise RunTimeout(
                f"Job {self.pid} in {self._place} still runs after {limit_s:g} s.",
                seen=(self.stdout + self.stderr)[-200:] or "(no output)",
                remedy="wait longer, or stop() it",
            )
        if self._failed is not None:
            raise self._failed
        if self._lost is not None or self._code is None:
            self._gone(self._lost or ChannelLost("it ended without a status"))
        return Result(
            self.command, self._code, self.stdout, self.stderr, (self._ended - self._begun) * 1000, self._place
        )

    def signal(self, name: str) -> None:
        """The signal, such as "TERM" or "STOP" (signal(7)), has been sent to this process, not to its children.

        Does nothing when it has ended. Raises BadRequest.
        """
        number = signal.Signals[f"SIG{request.one_of('name', name, SIGNALS)}"]
        if not self.running():
            return
        try:
            self._exchange.signal(number)
        except ChannelLost as lost:
            self._gone(lost)
        except Overdue:
            raise self._deaf() from None

    def stop(self) -> None:
        """SIGKILL to its session; afterwards it does not run, and its output is told to nobody. Safe to repeat.

        Raises RunTimeout when it is still there after 5 s.
        """
        self._output.hush()
        until = time.monotonic() + STOP_S
        with contextlib.suppress(ChannelLost, Overdue):
            while self.running() and time.monotonic() < until:
                self._exchange.kill()
                self.over.wait(0.2)
        if self.running():
            raise self._deaf()

    def __repr__(self) -> str:
        return f"<job {self.pid} in {self._place}, {'running' if self.running() else 'ended'}>"

    def _deaf(self) -> RunTimeout:
        return RunTimeout(
            f"Job {self.pid} in {self._place} cannot be reached.",
            seen="the guest does not answer, or it did not end 5 s after SIGKILL",
            remedy="resume the guest if it is paused, else close it",
        )

    def _listen(self, kept: contextlib.ExitStack) -> None:
        with kept:
            try:
                self._code = self._exchange.ended(time.monotonic() + FOREVER_S, self._output)
            except (ChannelLost, queue.Empty) as lost:
                self._lost = lost if isinstance(lost, ChannelLost) else None
            self._ended = time.monotonic()
            self.over.set()

    def _tell(self, stream: str, text: str) -> None:
        if self._told and self._failed is None:
            try:
                self._told(stream, text)
            except Exception as error:  # the reader's own: wait() raises it
                self._failed = error


def _refused(job: Job) -> StartFailed:
    return StartFailed(
        f"The command cannot be started: {' '.join(job.command)[:100]}",
        seen=job.stderr.strip()[-200:],
        remedy="run() it to see what it says",
    )
