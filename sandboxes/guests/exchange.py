"""One command in a guest, as a conversation with its agent: input to it, output from it, signals, its end."""

from __future__ import annotations

import contextlib
import queue
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from sandboxes.guests.frames import Frame
from sandboxes.guests.words import quoted
from sandboxes.output import Output
from sandboxes.setting import USUAL, Setting

INPUT_BYTES = 16 << 10
"""So much input the agent holds for a command that has not read it yet."""

MORE_BYTES = 64 << 10
"""The agent sends 256 KiB of output ahead (inside/agent.c); it may send more each time that so much was taken."""

WAITING_BYTES = 4 << 20
"""More than any agent sends without being asked for more: what comes beyond it is dropped."""

KILL_EVERY_S, KILL_FOR_S = 0.2, 5.0

_STREAMS = {"o": "stdout", "e": "stderr"}


class ChannelLost(Exception):
    """The guest has ended, or its agent was restarted while a command was running."""


class Overdue(Exception):
    """The command did not end in time. `killed` tells whether the guest confirmed that it is gone now."""

    def __init__(self, *, killed: bool) -> None:
        self.killed = killed
        super().__init__()


@dataclass(frozen=True)
class Request:
    """What is to run, and how; the user of its setting is "UID:GID"."""

    words: tuple[str, ...]
    setting: Setting = USUAL

    def line(self) -> bytes:
        """As the agent takes it."""
        how = self.setting
        options = "" if how.input is None else "i"
        variables = [f"{name}={value}" for name, value in how.env.items()]
        return quoted((options, how.cwd, how.user, str(len(variables)), *variables, *self.words)) + b"\n"


class Exchange:
    """Only one thread listens; any may send. `pid` is the command's number in the guest, None before it runs."""

    def __init__(self, send: Callable[[Frame], None], input_: bytes | None = None) -> None:
        self.id = secrets.token_hex(8)
        self.pid: int | None = None
        self._send = send
        self._input, self._given, self._outstanding = memoryview(input_ or b""), 0, 0
        self._told_end = input_ is None
        self._taken = 0
        self._arrived = self._heard = 0
        self._inbox: queue.SimpleQueue[Frame | ChannelLost] = queue.SimpleQueue()

    def take(self, frame: Frame | ChannelLost) -> None:
        """Something for it arrived, or never will."""
        if isinstance(frame, Frame):
            if self._arrived - self._heard > WAITING_BYTES:
                return
            self._arrived += _weight(frame)
        self._inbox.put(frame)

    def begun(self, until: float, output: Output) -> int | None:
        """None when it runs now, else its status: it ended at once. Raises queue.Empty at `until`, ChannelLost."""
        while self.pid is None:
            if (status := self._next(until, output)) is not None:
                return status
        return None

    def ended(self, until: float, output: Output) -> int:
        """Its status once it has ended; 128+n when signal n ended it. Raises queue.Empty at `until`, ChannelLost."""
        while True:
            if (status := self._next(until, output)) is not None:
                return status

    def signal(self, number: int) -> None:
        """Sent to its process alone."""
        self._send(Frame("s", self.id, b"%d\n" % number))

    def kill(self) -> None:
        """SIGKILL is sent to its whole session."""
        self._send(Frame("K", self.id))

    def killed(self, output: Output) -> bool:
        """It is gone, and nobody is told its output any more.

        Asked again and again: it may not have its session yet when the first request comes.
        """
        output.hush()
        until = time.monotonic() + KILL_FOR_S
        while time.monotonic() < until:
            self.kill()
            with contextlib.suppress(queue.Empty):
                self.ended(time.monotonic() + KILL_EVERY_S, output)
                return True
        return False

    def give_input(self) -> None:
        """As much of its input as the agent has room for is on its way, and the end of it after the last."""
        while self._given < len(self._input) and (room := INPUT_BYTES - self._outstanding) > 0:
            piece = self._input[self._given : self._given + min(room, 4096)]
            self._given += len(piece)
            self._outstanding += len(piece)
            self._send(Frame("i", self.id, bytes(piece)))
        if self._given == len(self._input) and not self._told_end:
            self._told_end = True
            self._send(Frame("i", self.id))

    def _next(self, until: float, output: Output) -> int | None:
        left_s = until - time.monotonic()
        if left_s < 0:  # also while there is something to take: who writes without end has a deadline, too
            raise queue.Empty
        frame = self._inbox.get(timeout=left_s)
        if isinstance(frame, ChannelLost):
            raise frame
        self._heard += _weight(frame)
        if stream := _STREAMS.get(frame.kind):
            self._taken += len(frame.data)
            if self._taken >= MORE_BYTES:
                self._send(Frame("m", self.id, b"%d\n" % self._taken))
                self._taken = 0
            output.add(stream, frame.data)
        elif frame.kind == "p":
            self.pid = frame.number
        elif frame.kind == "g":
            self._outstanding -= frame.number
            self.give_input()
        return frame.number if frame.kind == "x" else None


def _weight(frame: Frame) -> int:
    return len(frame.data) + 100
