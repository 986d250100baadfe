"""A service: so many equal tasks, kept at that number by Docker Swarm, and what became of each wish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandboxes import model, request
from sandboxes.containers import command, members
from sandboxes.containers.images.image import EngineImage
from sandboxes.containers.service_life import ServiceLife
from sandboxes.containers.service_progress import begin, healing, rollout
from sandboxes.containers.service_spec import change_version, version_of
from sandboxes.containers.service_wanted import (
    Version,
    wanted_replicas,
    wanted_rolling,
    wanted_service,
    wanted_version,
)
from sandboxes.containers.swarm import swarm
from sandboxes.containers.tasks import parse_tasks
from sandboxes.errors import BadRequest
from sandboxes.lifecycle import Closing

ENGINES = ("private", "reader")
LONGEST_S = 3600.0


def service(
    image: str | EngineImage | None = None,
    replicas: int = 1,
    *,
    command: str | Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    ready: str | Sequence[str] | None = None,
    name: str | None = None,
    memory: str | int | None = "16M",
    cpus: float | None = 0.25,
    pids: int | None = 32,
    network: bool = False,
    engine: str = "private",
    wait: bool = True,
    timeout_s: float = 60.0,
) -> Service:
    """A service whose `replicas` tasks all run; `wait` False returns at once, to watch them come.

    `image` None is the book's own busybox, in which a task sleeps unless `command` says otherwise; a text is run with
    sh -c. In `env`, "{{.Task.Slot}}" and its like are filled in by Swarm. `ready` is a command that ends with status 0
    in a task that can work: until then the task counts as starting. `memory` in bytes or as "16M", `cpus` and `pids`
    bind each task. `network` True joins all services of this process in an overlay network without a way out, where
    "tasks.NAME" resolves to every task (endpoint mode dnsrr). `engine` "reader" uses an engine of the reader's that is
    a swarm manager already; else it is a private one, which becomes a swarm of one node at the first call (0.6 s).

    Raises BadRequest before anything starts, EngineUnavailable, LimitIgnored, StartFailed when a task keeps failing,
    RunTimeout; nothing is left then. Source: docs.docker.com/engine/swarm; Docker Engine API 1.41, "Create a service".
    """
    asked = wanted_service(image, replicas, command, env, ready, name, memory, cpus, pids, network)
    where = request.one_of("engine", engine, ENGINES)
    request.yes_or_no("wait", wait)
    _deadline(timeout_s)
    chosen = swarm(where)
    chosen.engine.enforce(asked.limits)
    life = ServiceLife(chosen, asked)
    try:
        begin(life, asked.replicas, timeout_s if wait else None)
    except BaseException:
        life.close()
        raise
    return Service(life, asked.limits)


class Service(Closing):
    """Equal tasks under one name. What is asked for and what is seen are in `timeline()`, from `service()` on."""

    def __init__(self, life: ServiceLife, limits: model.Limits) -> None:
        self.name, self.id, self.limits = life.name, life.id, limits
        self._life = life
        self._newest = 1

    def tasks(self) -> tuple[model.Task, ...]:
        """Every task that the engine lists, by slot: those that run or will, and the last ones that ended."""
        with self._life.open():
            return parse_tasks(self._life.swarm.tasks(self.id))

    def status(self) -> model.Moment:
        """What is asked for and what is seen, now."""
        with self._life.open():
            return self._life.timeline.look()[0]

    def timeline(self) -> tuple[model.Moment, ...]:
        """Every change of what was asked and seen, in order, with what the user did; also after close()."""
        return self._life.timeline.moments()

    def wait(self, replicas: int | None = None, *, timeout_s: float = 60.0) -> model.Moment:
        """The look at which `replicas` tasks ran (None: as many as are asked for), and none was on its way.

        Raises BadRequest, RunTimeout with what was seen last, SandboxGone.
        """
        number = None if replicas is None else wanted_replicas(replicas)
        return self._life.until(
            lambda seen, _: seen.settled and number in (None, seen.running),
            _deadline(timeout_s),
            f"{'all' if number is None else number} tasks running",
        )

    def scale(self, replicas: int, *, wait: bool = True, timeout_s: float = 60.0) -> model.Moment:
        """So many tasks are asked for and, with `wait`, run. What was seen at the end.

        Swarm keeps one earlier spec: after scaling there is no update left that rollback() could take back.
        Raises BadRequest, RunTimeout, SandboxGone.
        """
        number = wanted_replicas(replicas)
        _deadline(timeout_s)

        def change(spec: dict[str, Any]) -> None:
            spec["Mode"]["Replicated"]["Replicas"] = number

        with self._life.open():
            self._life.mark(f"scale to {number}")
            self._life.swarm.update(self.id, change)
        return self.wait(number, timeout_s=timeout_s) if wait else self.status()

    def kill_one(self, slot: int | None = None, *, timeout_s: float = 30.0) -> model.Heal:
        """The first process of one task's container gets SIGKILL; what took its place, and when.

        `slot` None is the lowest that runs. Raises BadRequest when none runs there, RunTimeout when none follows.
        """
        _deadline(timeout_s)
        with self._life.open():
            victim = self._life.running(slot)
            self._life.mark(f"kill the task in slot {victim.slot}")
            self._life.swarm.engine.api.kill(str(victim.container_id), "SIGKILL")
        return healing(self._life, victim, timeout_s)

    def update(
        self,
        image: str | EngineImage | None = None,
        *,
        command: str | Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        ready: str | Sequence[str] | None = None,
        parallelism: int = 2,
        order: str = "stop-first",
        delay_s: float = 0.5,
        monitor_s: float = 1.0,
        wait: bool = True,
        timeout_s: float = 120.0,
    ) -> model.Rollout:
        """A new version goes through the tasks, `parallelism` at a time, the next ones `delay_s` after these run.

        None leaves a thing as it is. A task of the new version that fails within `monitor_s` of its start stops the
        update (failure action pause): the tasks that it has not reached go on running the old version. `order`
        "start-first" lets an old task run until the new one does. An image that the engine does not have makes a
        version that fails, too. Without `wait` it returns at once; status() and timeline() tell how it goes.
        Raises BadRequest, RunTimeout, SandboxGone.
        """
        version = wanted_version(image, command, env, ready)
        rolling = wanted_rolling(parallelism, order, delay_s, monitor_s)
        _deadline(timeout_s)
        if version == Version(None, None, None, None):
            raise BadRequest("update", "changes nothing.", seen="no argument", remedy='update(command="…")')
        with self._life.open():
            number = self._newest = self._newest + 1
            known = self._life.known(version)
            self._life.mark(f"update to version {number}")
            self._life.swarm.update(self.id, lambda spec: change_version(spec, known, number, rolling))
        return rollout(self._life, timeout_s if wait else 0)

    def rollback(self, *, wait: bool = True, timeout_s: float = 120.0) -> model.Rollout:
        """The spec before the last update is asked for again, replicas included; Swarm keeps that one only.

        Raises BadRequest when there is none, or it is of the same version (the last change was scale()), RunTimeout.
        """
        _deadline(timeout_s)
        with self._life.open():
            seen = self._life.swarm.inspect(self.id)
            now = version_of(seen["Spec"])
            before = version_of(seen["PreviousSpec"]) if seen.get("PreviousSpec") else now
            if before == now:
                raise BadRequest(
                    "rollback",
                    "has no earlier version to go back to.",
                    seen=f"version {now} is the only one that the engine knows",
                    remedy="update() with what the earlier version ran",
                )
            self._life.mark(f"roll back to version {before}")
            self._life.swarm.rollback(self.id)
        return rollout(self._life, timeout_s if wait else 0)

    def drain(self, *, timeout_s: float = 60.0) -> model.Moment:
        """The only node takes no tasks: those that ran have ended, and their followers are pending.

        All services of this process are on that node. Raises BadRequest in the reader's engine, RunTimeout.
        """
        _deadline(timeout_s)
        if self._life.swarm.engine.origin == "reader":
            raise BadRequest(
                "drain",
                "would end every service of yours on this node.",
                seen="this service runs in the reader's engine",
                remedy='a service in an engine of the book\'s own: leave out engine="reader"',
            )
        with self._life.open():
            self._life.mark("drain the node")
            self._life.drained = True
            self._life.swarm.make("drain")
        return self._life.until(
            lambda seen, _: seen.running == seen.starting == 0 and seen.pending == seen.desired,
            timeout_s,
            "all tasks ended and pending",
        )

    def activate(self, *, timeout_s: float = 60.0) -> model.Moment:
        """The node takes tasks again, and as many run as are asked for. Raises RunTimeout."""
        _deadline(timeout_s)
        with self._life.open():
            self._life.mark("activate the node")
            self._life.swarm.make("active")
            self._life.drained = False
        return self.wait(timeout_s=timeout_s)

    def run(self, command_: str | Sequence[str], *, slot: int | None = None, timeout_s: float = 30.0) -> model.Result:
        """Run a command in the container of one task, the lowest slot that runs unless told.

        Raises BadRequest, RunTimeout, SandboxGone, Unavailable, as a container's run() does.
        """
        argv = request.argv(command_)
        _deadline(timeout_s)
        with self._life.open():
            task = self._life.running(slot)
            container = str(task.container_id)
            prepared = command.prepare(self._life.swarm.engine, container, argv, output=True)
            place = f"{self.name}-{task.slot}"
            return command.run(prepared, lambda: members.find_cgroup(container), timeout_s, place)

    def close(self) -> None:
        """The service and every container of it are gone, and the node is active again. Safe to repeat."""
        self._life.close()

    def __repr__(self) -> str:
        return f"<service {self.name}, {'closed' if self._life.closed else self.id[:12]}>"


def _deadline(timeout_s: float) -> float:
    return request.number("timeout_s", timeout_s, least=0.1, most=LONGEST_S)
