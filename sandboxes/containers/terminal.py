"""A terminal in a container: a program with a pty of its own, written to and read from here."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from sandboxes import request
from sandboxes.containers import command
from sandboxes.containers.client import NO_ANSWER
from sandboxes.containers.command import Command
from sandboxes.errors import BadRequest, SandboxGone
from sandboxes.kernel import Cgroup
from sandboxes.lifecycle import Closing
from sandboxes.unread import MOST_CELLS, Unread


class Terminal(Closing):
    """An open one. The program's output is kept until it is read, the newest 1 MiB of it (pty(7), termios(3))."""

    def __init__(self, prepared: Command, cgroup: Callable[[], Cgroup], rows: int, columns: int) -> None:
        self.command = prepared.argv
        self._command, self._cgroup = prepared, cgroup
        self._unread = Unread(self._gone)
        self._closed = False
        self._stream = prepared.connect()
        threading.Thread(target=self._keep_reading, name="terminal", daemon=True).start()
        try:
            if prepared.started() is not None:
                self.resize(rows, columns)
        except BaseException:
            self.close()
            raise

    def write(self, data: str | bytes) -> None:
        """As if it had been typed; "\\r" is the return key. Raises BadRequest, SandboxGone when nobody reads it."""
        if not isinstance(data, str | bytes):
            raise BadRequest("data", "is neither text nor bytes.", seen=repr(data)[:80], remedy='"ls\\r"')
        try:
            self._stream.write(data.encode() if isinstance(data, str) else data)
        except OSError as error:
            raise self._gone(str(error)) from error

    def read(self, timeout_s: float = 0.2) -> bytes:
        """What was not read yet; waits for it for `timeout_s`, and returns nothing when nothing came."""
        return self._unread.read(timeout_s)

    def read_until(self, mark: str | bytes, timeout_s: float = 10.0) -> bytes:
        """Everything up to and with the first `mark`; what follows stays unread.

        Raises RunTimeout when it does not come in time, SandboxGone when the program ended without it.
        """
        return self._unread.read_until(mark, timeout_s)

    def resize(self, rows: int, columns: int) -> None:
        """The program sees this size, and gets SIGWINCH when it is another one. Raises BadRequest, SandboxGone."""
        request.count("rows", rows, least=1, most=MOST_CELLS)
        request.count("columns", columns, least=1, most=MOST_CELLS)
        try:
            self._command.engine.api.exec_resize(self._command.exec_id, height=rows, width=columns)
        except command.NOT_THERE as error:
            raise self._gone(str(error)) from error

    def running(self) -> bool:
        """The program has not ended."""
        try:
            return not self._closed and self._command.state()[0]
        except command.NOT_THERE:
            return False

    @property
    def exit_code(self) -> int | None:
        """The program's exit status; None while it runs, or when its container is gone."""
        with contextlib.suppress(*command.NOT_THERE):
            running, _, code = self._command.state()
            return None if running else code
        return None

    def close(self) -> None:
        """The program and its children are dead; what may escape is what may escape Job.stop(). Safe to repeat.

        When it cannot be killed alone, its whole container is; the next call there says so.
        """
        if self._closed:
            return
        if self.running():
            with contextlib.suppress(*command.NOT_THERE):
                command.end(self._command, self._cgroup)
        self._closed = True
        self._stream.close()

    def __repr__(self) -> str:
        return f"<Terminal {' '.join(self.command)!r}, {'running' if self.running() else 'ended'}>"

    def _keep_reading(self) -> None:
        with contextlib.suppress(*NO_ANSWER, OSError, ValueError):
            while data := self._stream.read():
                self._unread.add(data)
        self._unread.end()

    def _gone(self, seen: str) -> SandboxGone:
        return SandboxGone("The program in this terminal has ended.", seen=seen, remedy="open a new terminal()")
