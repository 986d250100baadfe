"""A container as a reader has it: commands, files, terminals, limits and ports, on top of what there is to see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import docker

from sandboxes import files, kernel, model, request
from sandboxes.containers import command, door
from sandboxes.containers.finding import engine
from sandboxes.containers.images.image import EngineImage
from sandboxes.containers.job import Job
from sandboxes.containers.limits import limits, resources
from sandboxes.containers.networks import Network
from sandboxes.containers.output import Streams
from sandboxes.containers.reached import ReachedContainer
from sandboxes.containers.terminal import Terminal
from sandboxes.containers.wanted import wanted
from sandboxes.errors import BadRequest, StartFailed
from sandboxes.limits import DEFAULT, IO, Default, changed_limits
from sandboxes.output import Told
from sandboxes.setting import setting
from sandboxes.unread import MOST_CELLS

LONGEST_RUN_S = 24 * 3600.0
GET_S = 60.0


def container(
    image: str | EngineImage | None = None,
    *,
    memory: str | int | Default | None = DEFAULT,
    cpus: float | Default | None = DEFAULT,
    pids: int | Default | None = DEFAULT,
    io: IO | None = None,
    cpu_shares: int | None = None,
    network: bool | Network | Sequence[Network] = False,
    profile: str = "hardened",
    files: Mapping[str, files.Content] | None = None,
    env: Mapping[str, str] | None = None,
    ports: Mapping[int, int | None] | None = None,
    name: str | None = None,
) -> ContainerSandbox:
    """A running container, started now; the first one of a process also finds or starts the engine.

    `image` None is the book's own busybox, "debian" its Debian; what image() returned is taken too. `memory` is bytes
    or text such as "128M", `cpus` cores, `pids` processes and threads; None asks for no limit; not written, they are
    128M, 0.5 and 64 where the engine enforces limits. `io` is bytes a second, "5M" or {"read": "5M", "write": "1M"},
    on the disk at /scratch, which comes with it. `cpu_shares` is the weight when CPUs are short, 1024 being usual.
    `network` True joins a network without a way out, shared by this process's containers; or what network() gave, or a
    list of those. `profile` is "hardened" (no capabilities, read-only, user `reader`), "open" (Docker's default), or
    "unfiltered" (that without its filter of system calls). `files` are put there first: path -> text, bytes or a Path
    of this machine. `env` are variables of everything that runs in it. `ports` {8080: None} publishes a port on a free
    one of this machine's loopback, {8080: 9000} on that one; facts().ports tells.

    Raises BadRequest before anything starts, EngineUnavailable, Unavailable when the engine does not answer in time,
    LimitIgnored, StartFailed.
    Source: Docker Engine API, "Create a container"; cgroups(7), capabilities(7), seccomp(2).
    """
    asked = wanted(
        image=image,
        memory=memory,
        cpus=cpus,
        pids=pids,
        io=io,
        cpu_shares=cpu_shares,
        network=network,
        profile=profile,
        files=files,
        env=env,
        ports=ports,
        name=name,
    )
    chosen = engine()
    asked = asked.on(chosen.facts().enforces)
    chosen.enforce(asked.limits)
    return ContainerSandbox(chosen, asked)


class ContainerSandbox(ReachedContainer):
    """A place to run commands in. `start_ms` is the time from the request to its running, engine and image ready;
    `warm`: it was taken from a pool, and then `start_ms` is the time that taking it took."""

    def run(
        self,
        command_: str | Sequence[str],
        *,
        timeout_s: float = 30.0,
        stdin: str | bytes | None = None,
        cwd: str | None = None,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        output: Told | None = None,
    ) -> model.Result:
        """Run a text with sh -c, or a list of words as it is, to its end; 16 MiB of each output stream are kept.

        `stdin` is its whole input; without it, input is at its end from the start. `cwd`, `user` and `env` are those of
        this command alone. `output` is called with "stdout" or "stderr" and a piece of text, as it arrives.
        A command that the kernel killed for memory has exit code 137, and sample().memory.oom_kills has grown.
        Raises BadRequest, SandboxGone, and RunTimeout after `timeout_s`: then it has been ended with its children (what
        may escape is what may escape Job.stop()), or its container with it when nothing less helped, as the error says.
        """
        argv = request.argv(command_)
        timeout_s = request.number("timeout_s", timeout_s, least=0.01, most=LONGEST_RUN_S)
        asked = setting(stdin, cwd, user, env, output)
        with self._open(for_door=asked.usual and door.fits(argv)) as first:
            if first:
                through = first.becomes(argv)
                connect = first.connect_for(argv)
                return command.run(through, self.cgroup, timeout_s, self.name, told=output, connect=connect)
            prepared = command.prepare(self._engine, self.id, argv, asked)
            return command.run(prepared, self.cgroup, timeout_s, self.name, given=asked.input, told=output)

    def start(
        self,
        command_: str | Sequence[str],
        *,
        stdin: str | bytes | None = None,
        cwd: str | None = None,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        output: Told | None = None,
    ) -> Job:
        """Run it in the background; arguments as for run(). It ends with the container at the latest.

        Raises BadRequest, SandboxGone, StartFailed when there is no such program.
        """
        argv = request.argv(command_)
        asked = setting(stdin, cwd, user, env, output)
        with self._open():
            prepared = command.prepare(self._engine, self.id, argv, asked)
            try:
                return Job(prepared, self.cgroup, self.name, output, asked.input)
            except docker.errors.APIError as error:
                if error.status_code != 400:
                    raise
                raise StartFailed(
                    f"The command cannot be started: {command.shown(argv)}",
                    seen=str(error.explanation),
                    remedy="run() it to see what it says",
                ) from error

    def terminal(
        self,
        command_: str | Sequence[str] = ("sh",),
        *,
        rows: int = 24,
        columns: int = 80,
        cwd: str | None = None,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Terminal:
        """A program with a terminal of its own, a shell unless another one is named. TERM is set to "xterm".

        Raises BadRequest, SandboxGone.
        """
        argv = request.argv(command_)
        request.count("rows", rows, least=1, most=MOST_CELLS)
        request.count("columns", columns, least=1, most=MOST_CELLS)
        asked = setting(None, cwd, user, {"TERM": "xterm", **(env or {})}, None)
        with self._open():
            prepared = command.prepare(self._engine, self.id, argv, asked, attach_input=True, tty=True)
            return Terminal(prepared, self.cgroup, rows, columns)

    def put(self, path: str, content: files.Content) -> None:
        """The file, or the files of a folder, are there, written by the container's user; at most 64 MiB in one call.

        Raises BadRequest for a path that is not absolute or cannot be written, SandboxGone, RunTimeout.
        """
        tar = files.archive({path: content}, "path")
        with self._open():
            self._unpack(tar, "path")

    def get(self, path: str, *, most_bytes: int = files.MOST_BYTES // 4) -> bytes:
        """What the container's user reads from a file. Raises BadRequest when it cannot, or when there is more."""
        files.path_inside("path", path)
        request.count("most_bytes", most_bytes, least=1, most=files.MOST_BYTES)
        with self._open():
            prepared = command.prepare(self._engine, self.id, ("head", "-c", str(most_bytes + 1), path))
            streams = Streams(files.MOST_BYTES + 1)
            code = command.read_to_end(prepared, streams, self.cgroup, GET_S)
        if code != 0:
            said = streams.stderr.strip()[-300:]
            raise BadRequest(
                "path", "cannot be read in this container.", seen=said, remedy="a file that its user reads"
            )
        if len(streams.stdout_bytes) > most_bytes:
            seen = f"{path} has more than {most_bytes:,} bytes"
            raise BadRequest(
                "path", "holds too much.", seen=seen, remedy="a larger most_bytes, or a part of it by run()"
            )
        return streams.stdout_bytes

    def limit(
        self,
        *,
        memory: str | int | None = None,
        cpus: float | None = None,
        pids: int | None = None,
        io: IO | None = None,
        cpu_shares: int | None = None,
    ) -> model.Limits:
        """Change limits while it runs; None leaves one as it is. The limits afterwards.

        Raises BadRequest (also when the kernel refuses, as version 1 does for less memory than is in use),
        LimitIgnored, SandboxGone.
        """
        changed = limits(memory, cpus, pids, io, cpu_shares)
        self._engine.enforce(changed)
        if changed == model.Limits(None, None, None):
            return self.limits
        with self._open(), self._lock:
            if changed.io:
                self._limit_io(changed)
                self.limits = changed_limits(self.limits, changed.only({"io"}))
            self._update(resources(changed), {"memory": memory, "cpus": cpus, "pids": pids, "cpu_shares": cpu_shares})
            self.limits = changed_limits(self.limits, changed)
            return self.limits

    def _limit_io(self, changed: model.Limits) -> None:
        if self._scratch is None:
            raise BadRequest(
                "io", "was not asked for at the start.", seen="no /scratch", remedy='container(io="50M"), then limit()'
            )
        kernel.set_limits(self.cgroup(), model.CgroupLimits(io=(self._scratch.io_limit(changed),)))

    def _update(self, wanted: dict[str, Any], written: dict[str, object]) -> None:
        if not wanted:
            return
        try:
            self._engine.update(self.id, wanted)
        except docker.errors.APIError as error:
            if error.status_code in (404, 409) or not self.running():
                raise
            raise BadRequest(
                next(name for name, value in written.items() if value is not None),
                "is refused by the kernel for this running container.",
                seen=str(error.explanation),
                remedy="a limit above what sample() reports as used now",
            ) from error
