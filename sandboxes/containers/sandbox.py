"""A container: made from a checked request, looked at through the kernel's own files, removed when closed."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import docker

from sandboxes import kernel, model, request
from sandboxes.containers import command, members, reasons
from sandboxes.containers.client import NO_ANSWER, Engine
from sandboxes.containers.finding import engine
from sandboxes.containers.job import Job
from sandboxes.containers.wanted import Wanted, changed_limits, limits, resources, wanted
from sandboxes.errors import BadRequest, SandboxGone, StartFailed, Unavailable

LONGEST_RUN_S = 24 * 3600.0


def container(
    image: str | None = None,
    *,
    memory: str | int | None = "128M",
    cpus: float | None = 0.5,
    pids: int | None = 64,
    network: bool = False,
    profile: str = "hardened",
    name: str | None = None,
) -> ContainerSandbox:
    """A running container, started now; the first one of a process also finds or starts the engine.

    `image` None is the book's own busybox. `memory` is bytes or text such as "128M", `cpus` cores, `pids` processes
    and threads; None asks for no limit. `network` True joins a network without a way out, shared by this process's
    containers. `profile` is "hardened" (no capabilities, read-only, user `reader`) or "open" (Docker's default).

    Raises BadRequest before anything starts, EngineUnavailable, LimitIgnored, StartFailed.
    """
    asked = wanted(image, memory, cpus, pids, network, profile, name)
    chosen = engine()
    chosen.enforce(asked.limits)
    return ContainerSandbox(chosen, asked)


class ContainerSandbox:
    """A place to run commands in. `start_ms` is the time from the request to its running, engine and image ready."""

    kind = "container"

    def __init__(self, engine: Engine, asked: Wanted) -> None:
        self.name, self.profile, self.limits = asked.name, asked.profile.name, asked.limits
        self._engine, self._closed = engine, False
        self._lock = threading.Lock()
        self._cgroup: kernel.Cgroup | None = None
        try:
            self.image = engine.ready_image(asked.image)
            network = engine.inner_network() if asked.network else "none"
            begun = time.monotonic()
            self.id = _create(engine, asked, self.image, network)
        except docker.errors.APIError as error:
            raise reasons.not_started(error) from error
        except NO_ANSWER as error:
            raise engine.gone(error) from error
        try:
            engine.api.start(self.id)
            self.start_ms = (time.monotonic() - begun) * 1000
            engine.prove(self.limits, self.cgroup)
        except docker.errors.APIError as error:
            self.close()
            raise reasons.not_started(error) from error
        except BaseException:
            self.close()
            raise

    def run(self, command_: str | Sequence[str], *, timeout_s: float = 30.0) -> model.Result:
        """Run a text with sh -c, or a list of words as it is, to its end; 16 MiB of each output stream are kept.

        A command that the kernel killed for memory has exit code 137, and sample().memory.oom_kills has grown.
        Raises BadRequest, SandboxGone, and RunTimeout after `timeout_s`: then it has been ended with its children.
        """
        argv = request.argv(command_)
        timeout_s = request.number("timeout_s", timeout_s, least=0.01, most=LONGEST_RUN_S)
        with self._open():
            prepared = command.prepare(self._engine, self.id, argv, output=True)
            return command.run(prepared, self.cgroup, timeout_s, self.name)

    def start(self, command_: str | Sequence[str]) -> Job:
        """Run it in the background; its output goes nowhere. It ends with the container at the latest.

        Raises BadRequest, SandboxGone, StartFailed when there is no such program.
        """
        argv = request.argv(command_)
        with self._open():
            prepared = command.prepare(self._engine, self.id, argv, output=False)
            try:
                command.detach(prepared)
            except docker.errors.APIError as error:
                if error.status_code != 400:
                    raise
                raise StartFailed(
                    f"The command cannot be started: {' '.join(argv)[:100]}",
                    seen=str(error.explanation),
                    remedy="run() it to see what it says",
                ) from error
            return Job(prepared, self.cgroup)

    def limit(
        self, *, memory: str | int | None = None, cpus: float | None = None, pids: int | None = None
    ) -> model.Limits:
        """Change limits while it runs; None leaves one as it is. The limits afterwards.

        Raises BadRequest (also when the kernel refuses, as version 1 does for less memory than is in use),
        LimitIgnored, SandboxGone.
        """
        changed = limits(memory, cpus, pids)
        self._engine.enforce(changed)
        if changed == model.Limits(None, None, None):
            return self.limits
        with self._open(), self._lock:
            try:
                self._engine.update(self.id, resources(changed))
            except docker.errors.APIError as error:
                if error.status_code in (404, 409) or not self.running():
                    raise
                field = next(name for name, v in (("memory", memory), ("cpus", cpus), ("pids", pids)) if v is not None)
                raise BadRequest(
                    field,
                    "is refused by the kernel for this running container.",
                    seen=str(error.explanation),
                    remedy="a limit above what sample() reports as used now",
                ) from error
            self.limits = changed_limits(self.limits, changed)
            return self.limits

    def cgroup(self) -> kernel.Cgroup:
        """Where its limits live on this machine. Raises Unavailable when the engine is on another one."""
        if self._cgroup is None:
            self._cgroup = members.find_cgroup(self.id)
        return self._cgroup

    def sample(self) -> model.CgroupSample:
        """One reading of its cgroup's files, about 0.2 ms. Raises SandboxGone, Unavailable."""
        with self._open():
            seen = kernel.sample(self.cgroup())
            if seen.pids.current == 0:  # an engine that was killed leaves the cgroups of its dead containers
                raise SandboxGone("The cgroup is empty.", seen=str(self.cgroup().folder), remedy="start a new one")
            return seen

    def namespaces(self) -> model.Namespaces:
        """The namespaces of its first process. Raises SandboxGone, Unavailable."""
        with self._open():
            init = self._init()
            return model.Namespaces(
                self.name, self.kind, init.command, init.pid, kernel.boot_id(), dict(init.namespaces)
            )

    def facts(self) -> model.Container:
        """The container as kernel and engine report it now. Raises SandboxGone, Unavailable."""
        with self._open():
            config = self._engine.inspect(self.id)["Config"]
            init = self._init()
            return model.Container(
                id=self.id,
                name=self.name,
                image=self.image,
                profile=self.profile,
                user=config.get("User") or "root",
                init=init,
                processes=self._processes(),
                limits=self.limits,
                cgroup=kernel.sample(self.cgroup()),
                capabilities=kernel.capabilities(init.pid),
                seccomp=kernel.seccomp_mode(init.pid),
                no_new_privileges=kernel.no_new_privileges(init.pid),
                start_ms=self.start_ms,
                engine=self._engine.facts(),
                host=kernel.host(),
            )

    def running(self) -> bool:
        """Its first process runs. False when closed, ended, or when the engine has died."""
        try:
            return not self._closed and bool(self._engine.inspect(self.id)["State"]["Running"])
        except (docker.errors.APIError, *NO_ANSWER):
            return False

    def close(self) -> None:
        """It is removed with everything in it. Safe to repeat, also when the engine has died."""
        self._closed = True
        with contextlib.suppress(docker.errors.APIError, *NO_ANSWER):
            self._engine.api.remove_container(self.id, force=True, v=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<container {self.name}, {self.profile}, {'closed' if self._closed else self.id[:12]}>"

    def _init(self) -> model.Process:
        """Process 1. A user who may not look at its namespaces from here asks inside, where it is one's own."""
        init = kernel.process(members.init_of(self.cgroup()))
        if init.namespaces:
            return init
        links = self.run(["ls", "-l", "/proc/1/ns"]).stdout.splitlines()
        return dataclasses.replace(init, namespaces=kernel.parse_links(links))

    def _processes(self) -> tuple[model.Process, ...]:
        found = []
        for pid, _ in members.live(self.cgroup()):
            with contextlib.suppress(SandboxGone):
                found.append(kernel.process(pid))
        return tuple(found)

    @contextlib.contextmanager
    def _open(self) -> Iterator[None]:
        """Raises SandboxGone, with the reason, when the container is closed, or is found dead meanwhile."""
        if self._closed:
            raise SandboxGone(f"Container {self.name} was closed.", seen="close() was called", remedy="start a new one")
        try:
            yield
        except docker.errors.APIError as error:
            raise reasons.gone(self._engine, self.id, self.name, error) from error
        except NO_ANSWER as error:
            raise self._engine.gone(error) from error
        except (SandboxGone, Unavailable) as error:  # a file that is missing: because it has ended, or for good reason
            reason = reasons.gone(self._engine, self.id, self.name, error)
            raise (error if isinstance(reason, Unavailable) else reason) from error


def _create(engine: Engine, asked: Wanted, image: str, network: str) -> str:
    config = {
        "Image": image,
        "Entrypoint": [],
        "Cmd": ["sleep", "infinity"],
        "User": asked.profile.user,
        "Hostname": asked.name,
        "Labels": engine.owner.label,
        "HostConfig": {**asked.host_config(), "NetworkMode": network},
    }
    unique = f"boundaries-{asked.name}-{secrets.token_hex(3)}"
    return engine.create(config, unique)
