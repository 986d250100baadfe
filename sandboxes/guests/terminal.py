"""A terminal in a guest: a program on its first serial port, which is its console as well."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from sandboxes import request
from sandboxes.errors import BadRequest, SandboxGone
from sandboxes.guests.console import Console
from sandboxes.guests.job import Job
from sandboxes.lifecycle import Closing
from sandboxes.model import Result
from sandboxes.unread import MOST_CELLS, Unread

DEVICE = "/dev/ttyS0"
LAST_S = 0.1
"""So much later than its end the last words of a program may come: they have a port of their own."""

ON_IT = 'exec "$@" <"$0" >"$0" 2>&1'
"""Shell text: a session leader without a terminal that opens one makes it its own (tty_ioctl(4))."""


class _Place(Protocol):
    @property
    def name(self) -> str: ...
    def run(self, command: Sequence[str]) -> Result: ...


class Terminal(Closing):
    """An open one. What comes over the port is kept until it is read, the newest 1 MiB of it: the program's output, and
    what the kernel has to say on its console (termios(3), console(4)).
    """

    def __init__(
        self, place: _Place, console: Console, start: Callable[[tuple[str, ...]], Job], words: tuple[str, ...]
    ) -> None:
        """`start` starts a command in the guest."""
        self.command = words
        self._place, self._console = place, console
        self._unread = Unread(self._gone)
        self._console.listen(self._unread)
        try:
            self._job = start(("sh", "-c", ON_IT, DEVICE, *words))
        except BaseException:
            self._console.unlisten(self._unread)
            raise
        threading.Thread(target=self._end, name="guest terminal", daemon=True).start()

    def write(self, data: str | bytes) -> None:
        """As if it had been typed; "\\r" is the return key. Raises BadRequest, SandboxGone when nobody reads it."""
        if not isinstance(data, str | bytes):
            raise BadRequest("data", "is neither text nor bytes.", seen=repr(data)[:80], remedy='"ls\\r"')
        if not self.running():
            raise self._gone("it has ended")
        try:
            self._console.write(data.encode() if isinstance(data, str) else data)
        except OSError as error:
            raise self._gone(str(error)) from error

    def read(self, timeout_s: float = 0.2) -> bytes:
        """What was not read yet; waits for it for `timeout_s`, and returns nothing when nothing came."""
        return self._unread.read(timeout_s)

    def read_until(self, mark: str | bytes, timeout_s: float = 10.0) -> bytes:
        """Everything up to and with the first `mark`; what follows stays unread.

        Raises RunTimeout when it does not come in time, SandboxGone when the guest ended without it.
        """
        return self._unread.read_until(mark, timeout_s)

    def resize(self, rows: int, columns: int) -> None:
        """The program sees this size, and gets SIGWINCH when it is another one. Raises BadRequest, SandboxGone."""
        resize(self._place, rows, columns)

    def running(self) -> bool:
        """The program has not ended."""
        return self._job.running()

    @property
    def exit_code(self) -> int | None:
        """The program's exit status; None while it runs, or when its guest is gone."""
        return self._job.exit_code

    def close(self) -> None:
        """The program and its session are dead. Safe to repeat."""
        self._job.stop()
        self._end()

    def __repr__(self) -> str:
        return f"<Terminal {' '.join(self.command)!r}, {'running' if self.running() else 'ended'}>"

    def _end(self) -> None:
        self._job.over.wait()
        time.sleep(LAST_S)
        self._console.unlisten(self._unread)
        self._unread.end()

    def _gone(self, seen: str) -> SandboxGone:
        return SandboxGone("The program in this terminal has ended.", seen=seen, remedy="open a new terminal()")


def resize(place: _Place, rows: int, columns: int) -> None:
    """The port has this size (stty(1)). Raises BadRequest, SandboxGone."""
    request.count("rows", rows, least=1, most=MOST_CELLS)
    request.count("columns", columns, least=1, most=MOST_CELLS)
    place.run(["stty", "-F", DEVICE, "rows", str(rows), "cols", str(columns)])


def begin(place: _Place, rows: int, columns: int) -> None:
    """As resize(); whatever a program before left of its settings is undone, and QEMU tells of input without delay."""
    resize(place, rows, columns)
    place.run(["stty", "-F", DEVICE, "sane", "115200"])
