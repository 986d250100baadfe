"""Commands in a container in a guest: each is run by the container's runtime, in a cgroup of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import secrets
from collections.abc import Sequence

from sandboxes.errors import RunTimeout, SandboxGone, StartFailed, Unavailable
from sandboxes.guests import users
from sandboxes.guests.boxes.bundle import process
from sandboxes.guests.boxes.job import BoxJob
from sandboxes.guests.boxes.life import BEGIN, KILL, MEMBER, RUN
from sandboxes.guests.boxes.observed import ASK_S, ObservedBox
from sandboxes.guests.job import Job
from sandboxes.model import Result
from sandboxes.output import Told
from sandboxes.setting import Setting

COMPLAINT = 125
"""The exit status of RUN when the runtime could not run the command: env(1) and docker-run(1) use it so."""

_commands = itertools.count(1)


class CommandedBox(ObservedBox):
    """What a command goes through, whatever it is for."""

    def _finished(
        self, words: tuple[str, ...], asked: Setting, limit_s: float, output: Told | None = None, into: str = ""
    ) -> Result:
        """What came of a command; with `into`, what it wrote is in that file of the guest."""
        self._check_runs()
        group, log, told = self._names()
        described = self._process(words, asked)
        through = ["sh", "-c", RUN, "sh", group, self._below(group), log, self.name, told, described, into]
        try:
            done = self._vm.run(through, timeout_s=limit_s, stdin=asked.input, output=output)
        except RunTimeout as late:
            self._kill(group, log)
            seen, remedy = "it has been ended, with all that it started", "give it more time with timeout_s="
            what = f"A command in container {self.name} did not end within {limit_s:g} s."
            raise RunTimeout(what, seen=seen, remedy=remedy) from late
        except KeyboardInterrupt:
            self._kill(group, log)
            raise
        return self._result(words, done, told)

    def _started(self, words: tuple[str, ...], asked: Setting, output: Told | None) -> BoxJob:
        self._check_runs()
        group, log, _ = self._names()
        through = ["sh", "-c", BEGIN, "sh", group, self._below(group), log, self.name, self._process(words, asked)]
        job = self._vm.start(through, stdin=asked.input, output=output)
        return BoxJob(job, words, self._member(job, group, log, words), self._ask, lambda: self._kill(group, log))

    def _names(self) -> tuple[str, str, str]:
        """Of one command: its cgroup, its log, and a word that nobody else can know."""
        name = f"command-{next(_commands)}-{secrets.token_hex(4)}"
        return f"{self._cgroup}/{name}", f"/run/{name}.log", secrets.token_hex(8)

    def _process(self, words: Sequence[str], asked: Setting) -> str:
        if asked.user:
            tables = self._finished(("sh", "-c", users.TABLES), Setting(), ASK_S).stdout
            asked = dataclasses.replace(asked, user=users.numbers(asked.user, tables))
        return json.dumps(process(self._asked, words, asked))

    def _result(self, words: tuple[str, ...], done: Result, told: str) -> Result:
        """Without the runtime's own complaint, which tells whether the command or the container was not there."""
        mark = f"{told}: "
        if done.exit_code != COMPLAINT or mark not in done.stderr:
            return dataclasses.replace(done, command=words, place=self.name)
        said = done.stderr.partition(mark)[2].strip()
        if "executable file" not in said and "Permission denied" not in said:
            self._members()  # raises SandboxGone when it has ended
            raise Unavailable(
                f"Container {self.name} runs, and takes no further command.",
                seen=said[-300:],
                remedy="stop what runs in it, or a higher limit()",
            )
        code = 126 if "Permission denied" in said else 127
        return Result(words, code, done.stdout, f"{said}\n", done.wall_ms, self.name)

    def _member(self, job: Job, group: str, log: str, words: tuple[str, ...]) -> tuple[int, int] | None:
        """The numbers of its first process in the guest and in the container; None when it has ended already."""
        said = self._script(MEMBER, group, log, str(job.pid)).stdout.split(maxsplit=2)
        if said and said[0] == "failed":
            job.wait()
            seen = " ".join(said[1:])[-300:]
            raise StartFailed(
                f"The command cannot be started: {' '.join(words)[:100]}", seen=seen, remedy="run() it to see more"
            )
        return (int(said[0]), int(said[1])) if len(said) == 2 else None

    def _below(self, group: str) -> str:
        return group.removeprefix(f"{self._cgroup}/")

    def _kill(self, group: str, log: str) -> None:
        with contextlib.suppress(SandboxGone):
            self._script(KILL, group, log)
