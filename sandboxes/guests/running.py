"""A guest that commands can be run in: what every other thing that is done with it goes through."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, TypeVar

from sandboxes import files, request
from sandboxes.errors import BadRequest, RunTimeout, SandboxGone, Unavailable
from sandboxes.guests import terminal, users
from sandboxes.guests.channel import SAY_S
from sandboxes.guests.emulator import Emulator
from sandboxes.guests.exchange import ChannelLost, Overdue, Request
from sandboxes.guests.job import Job
from sandboxes.guests.monitor import MonitorLost
from sandboxes.guests.terminal import Terminal
from sandboxes.lifecycle import Closing
from sandboxes.model import Result
from sandboxes.output import Output, Told
from sandboxes.setting import Setting, setting

T = TypeVar("T")
LONGEST_RUN_S = 86_400.0
LEAST_BYTES_S = 8_000
"""The serial port of an emulated guest on a busy machine takes five times as much a second, on an idle one 25 times."""

READ = '[ ! -d "$1" ] || { echo "$1 is a folder" >&2; exit 1; }; exec head -c "$2" "$1"'
"""Shell text for a path and a number of bytes."""


class RunningGuest(Closing):
    """Every method may be called from any thread."""

    kind = "guest"

    def __init__(self, name: str, emulator: Emulator) -> None:
        self.name, self._emulator = name, emulator
        self._closing = threading.Lock()
        self._closed = self._paused = False
        self._terminal: Terminal | None = None

    def run(
        self,
        command: str | Sequence[str],
        *,
        timeout_s: float = 30.0,
        stdin: str | bytes | None = None,
        cwd: str | None = None,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        output: Told | None = None,
    ) -> Result:
        """The finished command: exit status (128+n when signal n ended it), both streams, wall time at the caller.

        16 MiB of each stream are kept. `stdin` is its whole input; without it, input is at its end from the start.
        `cwd`, `user` and `env` are those of this command alone. `output` is called with "stdout" or "stderr" and a
        piece of text, as it arrives.
        Raises BadRequest, RunTimeout (the command and its session have been killed), SandboxGone, Unavailable when the
        agent of a guest of another architecture cannot do it.
        """
        asked = self._request(command, setting(stdin, cwd, user, env, output))
        limit_s = request.number("timeout_s", timeout_s, least=0.001, most=LONGEST_RUN_S)
        return self._run(asked, limit_s, Output(told=output))

    def start(
        self,
        command: str | Sequence[str],
        *,
        stdin: str | bytes | None = None,
        cwd: str | None = None,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        output: Told | None = None,
    ) -> Job:
        """The command now runs by itself; arguments as for run(). It ends with the guest at the latest.

        Raises BadRequest, StartFailed when there is no such program, RunTimeout, SandboxGone, Unavailable.
        """
        asked = self._request(command, setting(stdin, cwd, user, env, output))
        return self._spoken(lambda: Job(self._emulator.channel, asked, self.name, self._gone, output), SAY_S, Output())

    def terminal(
        self,
        command: str | Sequence[str] = ("sh",),
        *,
        rows: int = 24,
        columns: int = 80,
        cwd: str | None = None,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Terminal:
        """A program on the guest's console, a shell unless another one is named. TERM is set to "xterm".

        Raises BadRequest, StartFailed, RunTimeout, SandboxGone, and Unavailable while another terminal is open.
        """
        words = request.argv(command)
        asked = setting(None, cwd, user, {"TERM": "xterm", **(env or {})}, None)
        if self._terminal and self._terminal.running():
            raise Unavailable(
                f"The guest {self.name} has one console, and a terminal is open on it.",
                seen=repr(self._terminal),
                remedy="close() that one first",
            )
        terminal.begin(self, rows, columns)

        def start(command: tuple[str, ...]) -> Job:
            request_ = self._request(command, asked)
            return self._spoken(lambda: Job(self._emulator.channel, request_, self.name, self._gone), SAY_S, Output())

        self._terminal = Terminal(self, self._emulator.console, start, words)
        return self._terminal

    def put(self, path: str, content: files.Content) -> None:
        """The file, or the files of a folder, are there; at most 64 MiB in one call, and what its memory holds: a
        guest's files are in it.

        Raises BadRequest for a path that is not absolute or cannot be written, SandboxGone, RunTimeout.
        """
        tar = files.archive({path: content}, "path")
        asked = Request(files.UNPACK, Setting(input=tar))
        done = self._run(asked, SAY_S + len(tar) / LEAST_BYTES_S, Output())
        if done.exit_code != 0:
            raise BadRequest(
                "path",
                "cannot be written in this guest.",
                seen=(done.stderr or done.stdout).strip()[-300:],
                remedy="another place, less, or a guest with more memory",
            )

    def get(self, path: str, *, most_bytes: int = files.MOST_BYTES // 4) -> bytes:
        """What is in a file. Raises BadRequest when it cannot be read or holds more, SandboxGone, RunTimeout."""
        files.path_inside("path", path)
        request.count("most_bytes", most_bytes, least=1, most=files.MOST_BYTES)
        kept = Output(files.MOST_BYTES + 1)
        asked = Request(("sh", "-c", READ, "sh", path, str(most_bytes + 1)))
        done = self._run(asked, SAY_S + most_bytes / LEAST_BYTES_S, kept)
        if done.exit_code != 0:
            seen = done.stderr.strip()[-300:]
            raise BadRequest("path", "cannot be read in this guest.", seen=seen, remedy="a file that is there")
        if len(kept.stdout_bytes) > most_bytes:
            seen = f"{path} has more than {most_bytes:,} bytes"
            raise BadRequest(
                "path", "holds too much.", seen=seen, remedy="a larger most_bytes, or a part of it by run()"
            )
        return kept.stdout_bytes

    def console(self) -> str:
        """What the guest wrote on its first serial port: the last megabyte, also after it has ended."""
        return self._emulator.console.text()

    def _request(self, command: str | Sequence[str], asked: Setting) -> Request:
        words = request.argv(command)
        if asked.user:
            asked = dataclasses.replace(asked, user=users.numbers(asked.user, self.run(users.TABLES).stdout))
        return Request(words, asked)

    def _run(self, asked: Request, limit_s: float, kept: Output) -> Result:
        begun = time.monotonic()
        status = self._spoken(lambda: self._emulator.channel.run(asked, limit_s, kept), limit_s, kept)
        wall_ms = (time.monotonic() - begun) * 1000
        return Result(asked.words, status, kept.stdout, kept.stderr, wall_ms, self.name)

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
