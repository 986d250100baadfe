"""A container in a guest as a reader has it: commands, files, limits, an end."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Mapping, Sequence

from sandboxes import files, request
from sandboxes.errors import BadRequest, RunTimeout, SandboxGone, StartFailed
from sandboxes.guests.boxes.bundle import bundle, cgroup_limits
from sandboxes.guests.boxes.commanded import CommandedBox
from sandboxes.guests.boxes.images import RECEIVE
from sandboxes.guests.boxes.job import BoxJob
from sandboxes.guests.boxes.life import END, FREEZE, LIMIT, NAME_TAKEN, START
from sandboxes.guests.boxes.parts import LAYERS
from sandboxes.guests.boxes.runtime import filter_text
from sandboxes.guests.boxes.wanted import Wanted
from sandboxes.guests.controlled import ControlledGuest
from sandboxes.kernel import settings
from sandboxes.limits import Room, changed_limits
from sandboxes.model import Accelerator, Limits, Result
from sandboxes.output import Told
from sandboxes.setting import Setting, setting

START_S, FILES_S = 60.0, 60.0
LONGEST_RUN_S = 86_400.0


class GuestBox(CommandedBox):
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
        Raises BadRequest, RunTimeout (it has been ended with all its children), SandboxGone; Unavailable when it is
        paused or its limits leave no room for another command.
        """
        words = request.argv(command)
        limit_s = request.number("timeout_s", timeout_s, least=0.01, most=LONGEST_RUN_S)
        asked = setting(stdin, cwd, user, env, output)
        return self._finished(words, asked, limit_s, output)

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
        return self._started(words, asked, output)

    def put(self, path: str, content: files.Content) -> None:
        """The file, or the files of a folder, are there, written by the container's user; at most 64 MiB in one call.

        Raises BadRequest for a path that is not absolute or cannot be written, SandboxGone, RunTimeout.
        """
        self._unpack(files.archive({path: content}, "path"), "path")

    def get(self, path: str, *, most_bytes: int = files.MOST_BYTES // 4) -> bytes:
        """What the container's user reads from a file. Raises BadRequest when it cannot, or when there is more.

        It is read inside: a link in the container leads nowhere else. Raises SandboxGone, RunTimeout too.
        """
        files.path_inside("path", path)
        request.count("most_bytes", most_bytes, least=1, most=files.MOST_BYTES)
        into = f"/run/read-{secrets.token_hex(8)}"
        try:
            words = ("head", "-c", str(most_bytes + 1), path)
            done = self._finished(words, Setting(), FILES_S + most_bytes / 8000, into=into)
            if done.exit_code != 0:
                seen = done.stderr.strip()[-300:]
                raise BadRequest(
                    "path", "cannot be read in this container.", seen=seen, remedy="a file that its user reads"
                )
            return self._vm.get(into, most_bytes=most_bytes)
        finally:
            with contextlib.suppress(SandboxGone, RunTimeout):
                self._script('rm -f "$1"', into)

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
            if data := image.tar(layer):
                words = ["sh", "-c", RECEIVE, "sh", layer]
                self._begun(self._vm.run(words, stdin=data, timeout_s=START_S + len(data) / 8000))
        lower = ":".join(f"{LAYERS}/{layer}" for layer in reversed(image.layers))
        config = bundle(self._asked, filter_text()).encode()
        done = self._vm.run(["sh", "-c", START, "sh", self._folder, lower], stdin=config, timeout_s=START_S)
        if done.exit_code == NAME_TAKEN:
            self._closed = True
            raise BadRequest("name", "is taken.", seen=f"{self.name} in {self.guest}", remedy="another name, or none")
        self.runtime = self._begun(done).stdout.strip()

    def _begun(self, step: Result) -> Result:
        if step.exit_code != 0:
            raise StartFailed(
                f"Container {self.name} did not start in {self.guest}.",
                seen=step.stderr.strip()[-300:],
                remedy="more memory for it or for the guest, or another image; else another guest",
            )
        return step

    def _unpack(self, tar: bytes, field: str) -> None:
        done = self.run(files.UNPACK, stdin=tar, timeout_s=FILES_S + len(tar) / 8000)
        if done.exit_code != 0:
            raise BadRequest(
                field,
                "cannot be written in this container.",
                seen=done.stderr.strip()[-300:],
                remedy='a place that its user may write, such as "/tmp"',
            )
