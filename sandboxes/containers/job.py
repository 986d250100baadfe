"""A command that runs on in a container, in the background."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable

from sandboxes import request
from sandboxes.containers import command, members
from sandboxes.containers.client import NO_ANSWER
from sandboxes.containers.command import Command
from sandboxes.containers.output import Streams
from sandboxes.containers.stream import Stream
from sandboxes.errors import RunTimeout, StartFailed
from sandboxes.kernel import Cgroup
from sandboxes.model import Result
from sandboxes.output import NEWEST_BYTES, Told

SIGNALS = tuple(sorted(name.removeprefix("SIG") for name in signal.Signals.__members__))


class Job:
    """A background process. `pid` is its number inside, `host_pid` on this machine, or in the guest that has the
    engine; both are None when it had ended before it could be looked at. `stdout` and `stderr` are what it wrote until
    now, the newest 1 MiB of each.

    Raises StartFailed when there is no such program.
    """

    def __init__(
        self,
        prepared: Command,
        cgroup: Callable[[], Cgroup],
        place: str,
        told: Told | None = None,
        given: bytes | None = None,
    ) -> None:
        self.command = prepared.argv
        self._command, self._cgroup, self._place = prepared, cgroup, place
        self._streams = Streams(NEWEST_BYTES, newest=True, told=self._tell if told else None)
        self._told = told
        self._failed: Exception | None = None
        self._code: int | None = None
        self._ended: float | None = None
        self._begun = time.monotonic()
        stream = prepared.connect()
        self._reader = threading.Thread(target=self._read, args=(stream,), name=f"job-{place}", daemon=True)
        self._reader.start()
        if given is not None:
            threading.Thread(target=stream.feed, args=(given,), daemon=True).start()
        try:
            self.host_pid, self.pid = self._started()
        except BaseException:  # also a KeyboardInterrupt: nobody will have this job to stop it
            self.stop()
            raise

    @property
    def stdout(self) -> str:
        """What it wrote there so far: the newest MiB."""
        return self._streams.stdout

    @property
    def stderr(self) -> str:
        """What it wrote there so far: the newest MiB."""
        return self._streams.stderr

    @property
    def exit_code(self) -> int | None:
        """Its exit status, 128 + number when a signal ended it; None while it runs, or when its container is gone."""
        if self._code is None:
            with contextlib.suppress(*command.NOT_THERE):
                running, _, code = self._command.state()
                self._code = None if running else code
        return self._code

    def running(self) -> bool:
        """It has not ended yet. False as well when its container is gone."""
        try:
            return self._code is None and self._command.state()[0]
        except command.NOT_THERE:
            return False

    def wait(self, timeout_s: float = 30.0) -> Result:
        """Its result, once it has ended, however much later it is asked for.

        `wall_ms` is from its start to its end; to the first wait() after that when a child keeps its output open.
        Raises RunTimeout after `timeout_s`, and leaves it running; what `output` raised, which was then told no more;
        BadRequest.
        """
        until = time.monotonic() + request.number("timeout_s", timeout_s, least=0.01, most=86_400)
        while self.running():
            self._raise_failed()
            if time.monotonic() > until:
                raise RunTimeout(
                    f"The job still runs after {timeout_s:g} s: {command.shown(self.command)}",
                    seen=(self.stdout + self.stderr)[-200:] or "(no output)",
                    remedy="wait longer, or stop() it",
                )
            time.sleep(0.01)
        self._reader.join(1.0)  # a child that outlives it may keep its output open
        self._raise_failed()
        if self._ended is None:
            self._ended = time.monotonic()
        stdout, stderr = command.own_words(self.exit_code, self._streams)
        code = -1 if self.exit_code is None else self.exit_code
        return Result(self.command, code, stdout, stderr, (self._ended - self._begun) * 1000, self._place)

    def signal(self, name: str) -> None:
        """The signal, such as "TERM" or "STOP" (signal(7)), has been sent to this process, not to its children.

        Does nothing when it has ended. Raises BadRequest.
        """
        number = signal.Signals[f"SIG{request.one_of('name', name, SIGNALS)}"]
        if self.host_pid is None or not self.running():
            return
        try:
            members.send_all(self._cgroup(), [self.host_pid], number)
        except PermissionError:
            words = ("kill", f"-{name}", str(self.pid))
            killer = command.prepare(self._command.engine, self._command.container_id, words, output=False)
            killer.engine.api.exec_start(killer.exec_id, detach=True)

    def stop(self) -> None:
        """It and its children are dead (SIGKILL). Does nothing when it has ended itself. Safe to repeat.

        A child escapes that left its session, its environment and its parent: setsid(2), `env -i`, and a parent that
        ended. When it cannot be killed alone, its whole container is; the next call there says so.
        """
        if self.running():
            with contextlib.suppress(*command.NOT_THERE):  # its container ended meanwhile, and it with it
                command.end(self._command, self._cgroup)

    def __repr__(self) -> str:
        return f"<Job {' '.join(self.command)!r}, pid {self.pid} inside, {'running' if self.running() else 'ended'}>"

    def _read(self, stream: Stream) -> None:
        try:
            while data := _next(stream):
                self._streams.feed(data)
        finally:
            stream.close()
            pause_s = 0.001
            while self.running():  # it has closed its output and goes on
                time.sleep(pause_s)
                pause_s = min(0.1, 2 * pause_s)
            if self._ended is None:
                self._ended = time.monotonic()

    def _tell(self, stream: str, text: str) -> None:
        if self._told and self._failed is None:
            try:
                self._told(stream, text)
            except Exception as error:  # the reader's own: wait() raises it
                self._failed = error

    def _raise_failed(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _started(self) -> tuple[int | None, int | None]:
        engine_pid = self._command.started()
        if engine_pid is None:
            self._refuse_what_never_ran()
            return None, None
        return members.by_engine_pid(self._cgroup(), engine_pid) or (None, None)

    def _refuse_what_never_ran(self) -> None:
        self._reader.join(1.0)
        said = self.stdout
        if self.exit_code in (126, 127) and said.startswith(command.REFUSED):
            raise StartFailed(
                f"The command cannot be started: {command.shown(self.command)}",
                seen=said.strip(),
                remedy="run() it to see what it says",
            )


def _next(stream: Stream) -> bytes:
    """What it wrote next; nothing at its end, and when the container or its engine has ended."""
    with contextlib.suppress(*NO_ANSWER, OSError, ValueError):
        return stream.read()
    return b""
