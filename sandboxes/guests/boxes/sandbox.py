"""A container in a guest as a reader has it: commands, files, limits, an end."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import secrets
import threading
import time
from collections.abc import Mapping, Sequence

from sandboxes import files, request
from sandboxes.errors import BadRequest, RunTimeout, SandboxGone, StartFailed
from sandboxes.guests import users
from sandboxes.guests.boxes.bundle import bundle, cgroup_folder, cgroup_limits, process
from sandboxes.guests.boxes.images import RECEIVE
from sandboxes.guests.boxes.job import BoxJob
from sandboxes.guests.boxes.life import BEGIN, END, FREEZE, KILL, LIMIT, MEMBER, NAME_TAKEN, RUN, START
from sandboxes.guests.boxes.observed import ObservedBox
from sandboxes.guests.boxes.parts import LAYERS
from sandboxes.guests.boxes.runtime import filter_text
from sandboxes.guests.boxes.wanted import Wanted
from sandboxes.guests.controlled import ControlledGuest
from sandboxes.guests.job import Job
from sandboxes.kernel import settings
from sandboxes.limits import Room, changed_limits
from sandboxes.model import Accelerator, Limits, Result
from sandboxes.output import Told
from sandboxes.setting import Setting, setting

START_S, FILES_S = 60.0, 60.0
LONGEST_RUN_S = 86_400.0
COMPLAINT = 125
"""The exit status of RUN when the runtime could not run the command: env(1) and docker-run(1) use it so."""

_commands = itertools.count(1)


class GuestBox(ObservedBox):
    """A place to run commands in, made by a container runtime in a guest. It ends with the guest at the latest."""

    def __init__(self, vm: ControlledGuest, accelerator: Accelerator, room: Room, asked: Wanted) -> None:
        """It runs. Raises StartFailed, BadRequest for a name that is taken or files that do not fit, SandboxGone."""
        super().__init__(vm, accelerator, asked)
        self._room, self._lock = room, threading.Lock()
        begun = time.monotonic()
        try:
            self._begin()
            if asked.files:
                self._unpack(asked.files, "files")
        except BaseException:
            self.close()
            raise
        self.start_ms = (time.monotonic() - begun) * 1000

    def __repr__(self) -> str:
        state = "closed" if self._closed else "paused" if self._paused else "running"
        return f"<container {self.name} in {self.guest}: {self.profile}, {state}>"

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
        """Run a text with sh -c, or a list of words as it is, to its end; arguments as for any container.

        A command that the guest's kernel killed for memory has exit code 137, and sample().memory.oom_kills has grown.
        Raises BadRequest, RunTimeout (it has been ended with all its children), SandboxGone, Unavailable when paused.
        """
        words = request.argv(command)
        limit_s = request.number("timeout_s", timeout_s, least=0.01, most=LONGEST_RUN_S)
        asked = setting(stdin, cwd, user, env, output)
        self._check_runs()
        group, log, told = self._names()
        below = group.removeprefix(f"{cgroup_folder(self.name)}/")
        through = ["sh", "-c", RUN, "sh", group, below, log, self.name, told, self._process(words, asked)]
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

    def start(
        self,
        command: str | Sequence[str],
        *,
        stdin: str | bytes | None = None,
        cwd: str | None = None,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        output: Told | None = None,
    ) -> BoxJob:
        """Run it in the background; arguments as for run(). It ends with the container at the latest.

        Raises BadRequest, SandboxGone, StartFailed when there is no such program.
        """
        words = request.argv(command)
        asked = setting(stdin, cwd, user, env, output)
        self._check_runs()
        group, log, _ = self._names()
        below = group.removeprefix(f"{cgroup_folder(self.name)}/")
        through = ["sh", "-c", BEGIN, "sh", group, below, log, self.name, self._process(words, asked)]
        job = self._vm.start(through, stdin=asked.input, output=output)
        return BoxJob(job, words, self._member(job, group, log, words), self._ask, lambda: self._kill(group, log))

    def put(self, path: str, content: files.Content) -> None:
        """The file, or the files of a folder, are there, written by the container's user; at most 64 MiB in one call.

        Raises BadRequest for a path that is not absolute or cannot be written, SandboxGone, RunTimeout.
        """
        self._unpack(files.archive({path: content}, "path"), "path")

    def get(self, path: str, *, most_bytes: int = files.MOST_BYTES // 4) -> bytes:
        """What is in a file of the container. Raises BadRequest when it cannot be read or holds more, SandboxGone."""
        files.path_inside("path", path)
        self._check_runs()
        pid = self._members().init.pid
        return self._vm.get(f"/proc/{pid}/root{path}", most_bytes=most_bytes)

    def limit(
        self,
        *,
        memory: str | int | None = None,
        cpus: float | None = None,
        pids: int | None = None,
        cpu_shares: int | None = None,
    ) -> Limits:
        """Change limits while it runs; None leaves one as it is. The limits afterwards. Raises BadRequest, SandboxGone.

        Version 2 takes a memory limit below what is in use, and then reclaims or kills (cgroup-v2.rst, memory.max).
        """
        changed = self._room.limits(memory, cpus, pids, None, cpu_shares)
        with self._lock:
            pairs = [word for one in settings(cgroup_limits(changed)) for word in (one.file, one.text)]
            self._ask(LIMIT, self._cgroup, *pairs)
            self.limits = changed_limits(self.limits, changed)
            return self.limits

    def pause(self) -> None:
        """Nothing in it runs until resume(). Raises SandboxGone. Source: cgroup-v2.rst, cgroup.freeze."""
        self._ask(FREEZE, self._cgroup, "1")
        self._paused = True

    def resume(self) -> None:
        """It runs again. Raises SandboxGone."""
        self._ask(FREEZE, self._cgroup, "0")
        self._paused = False

    def close(self) -> None:
        """Its processes, its cgroup and its files are gone from the guest. Closing again does nothing."""
        if not self._closed:
            with contextlib.suppress(SandboxGone, RunTimeout):  # with the guest, or with it when it is closed
                self._script(END, self._folder, self._cgroup)
            self._closed = True

    def _begin(self) -> None:
        image = self._asked.image
        for layer in image.layers:
            data = image.tar(layer)
            if data:
                self._vm.run(["sh", "-c", RECEIVE, "sh", layer], stdin=data, timeout_s=START_S + len(data) / 8000)
        lower = ":".join(f"{LAYERS}/{layer}" for layer in reversed(image.layers))
        config = bundle(self._asked, filter_text()).encode()
        done = self._vm.run(["sh", "-c", START, "sh", self._folder, lower], stdin=config, timeout_s=START_S)
        if done.exit_code == NAME_TAKEN:
            self._closed = True
            raise BadRequest("name", "is taken.", seen=f"{self.name} in {self.guest}", remedy="another name, or none")
        if done.exit_code != 0:
            raise StartFailed(
                f"Container {self.name} did not start in {self.guest}.",
                seen=done.stderr.strip()[-300:],
                remedy="more memory for it or for the guest; else another guest",
            )
        self.runtime = done.stdout.strip()

    def _names(self) -> tuple[str, str, str]:
        """Of one command: its cgroup, its log, and a word that nobody else can know."""
        name = f"command-{next(_commands)}-{secrets.token_hex(4)}"
        return f"{self._cgroup}/{name}", f"/run/{name}.log", secrets.token_hex(8)

    def _process(self, words: Sequence[str], asked: Setting) -> str:
        if asked.user:
            tables = self._ask('cat "$1/etc/passwd"; echo ==; cat "$1/etc/group"', f"{self._folder}/rootfs")
            asked = dataclasses.replace(asked, user=users.numbers(asked.user, tables))
        return json.dumps(process(self._asked, words, asked))

    def _result(self, words: tuple[str, ...], done: Result, told: str) -> Result:
        """Without the runtime's own complaint, which tells whether the command or the container was not there."""
        mark = f"{told}: "
        if done.exit_code != COMPLAINT or mark not in done.stderr:
            return dataclasses.replace(done, command=words, place=self.name)
        said = done.stderr.partition(mark)[2].strip()
        if "executable file" not in said and "Permission denied" not in said:
            self._members()
            raise SandboxGone(f"Container {self.name} ran no command.", seen=said[-300:], remedy="start a new one")
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

    def _unpack(self, tar: bytes, field: str) -> None:
        done = self.run(files.UNPACK, stdin=tar, timeout_s=FILES_S + len(tar) / 8000)
        if done.exit_code != 0:
            raise BadRequest(
                field,
                "cannot be written in this container.",
                seen=done.stderr.strip()[-300:],
                remedy='a place that its user may write, such as "/tmp"',
            )

    def _kill(self, group: str, log: str) -> None:
        with contextlib.suppress(SandboxGone):
            self._script(KILL, group, log)
