"""A guest that commands can be run in: what every other thing that is done with it goes through."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from sandboxes import request
from sandboxes.errors import RunTimeout, SandboxGone
from sandboxes.guests.channel import SAY_S
from sandboxes.guests.emulator import Emulator
from sandboxes.guests.exchange import ChannelLost, Overdue, Request
from sandboxes.guests.job import Job
from sandboxes.guests.monitor import MonitorLost
from sandboxes.lifecycle import Closing
from sandboxes.model import Result
from sandboxes.output import Output, Told

T = TypeVar("T")
LONGEST_RUN_S = 86_400.0


class RunningGuest(Closing):
    """Every method may be called from any thread."""

    kind = "guest"

    def __init__(self, name: str, emulator: Emulator) -> None:
        self.name, self._emulator = name, emulator
        self._closing = threading.Lock()
        self._closed = self._paused = False

    def run(self, command: str | Sequence[str], *, timeout_s: float = 30.0, output: Told | None = None) -> Result:
        """The finished command: exit status (128+n when signal n ended it), both streams, wall time at the caller.

        16 MiB of each stream are kept. `output` is called with "stdout" or "stderr" and a piece of text, as it arrives.
        Raises BadRequest, RunTimeout (the command and its session have been killed), SandboxGone.
        """
        asked = Request(request.argv(command))
        limit_s = request.number("timeout_s", timeout_s, least=0.001, most=LONGEST_RUN_S)
        kept = Output(told=output)
        begun = time.monotonic()
        status = self._spoken(lambda: self._emulator.channel.run(asked, limit_s, kept), limit_s, kept)
        wall_ms = (time.monotonic() - begun) * 1000
        return Result(asked.words, status, kept.stdout, kept.stderr, wall_ms, self.name)

    def start(self, command: str | Sequence[str], *, output: Told | None = None) -> Job:
        """The command now runs by itself. `output` is as for run().

        Raises BadRequest, StartFailed when there is no such program, RunTimeout, SandboxGone.
        """
        asked = Request(request.argv(command))
        return self._spoken(lambda: Job(self._emulator.channel, asked, self.name, self._gone, output), SAY_S, Output())

    def console(self) -> str:
        """What the guest wrote on its first serial port: the last megabyte, also after it has ended."""
        return self._emulator.console.text()

    def _spoken(self, conversation: Callable[[], T], limit_s: float, kept: Output) -> T:
        """What came of a conversation with the agent. Raises RunTimeout, SandboxGone."""
        try:
            return conversation()
        except Overdue as late:
            raise self._overdue(limit_s, late, kept) from None
        except ChannelLost as lost:
            self._gone(lost)

    def _overdue(self, limit_s: float, late: Overdue, kept: Output) -> RunTimeout:
        if self._paused:
            seen, remedy = "the guest is paused", "call resume() first"
        elif late.killed:
            said = (kept.stdout + kept.stderr).strip()[-200:]
            seen, remedy = f"it was killed; until then it said {said!r}", "give it more time with timeout_s="
        else:
            seen, remedy = "it could not be killed either: the guest does not answer", "close this guest, start another"
        return RunTimeout(f"A command in {self.name} did not end within {limit_s:g} s.", seen=seen, remedy=remedy)

    def _gone(self, lost: ChannelLost | MonitorLost) -> NoReturn:
        if self._closed:
            raise SandboxGone(f"The guest {self.name} was closed.", seen="close() was called", remedy="start another")
        if why := self._emulator.ended(wait_s=2.0):
            tail = self._emulator.console.tail(4)
            seen = f"{why}\n{tail}" if tail else why
            raise SandboxGone(f"The guest {self.name} has ended.", seen=seen, remedy="start another") from lost
        raise SandboxGone(
            f"The guest {self.name} lost a command.",
            seen=str(lost),
            remedy="it goes on running: try again, or start another",
        ) from lost
