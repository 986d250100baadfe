"""A service from its making to its end, whatever happens to the engine meanwhile, and waiting for what it becomes."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator

import docker

from sandboxes.containers.client import NO_ANSWER
from sandboxes.containers.service_spec import service_spec
from sandboxes.containers.service_wanted import Version, WantedService
from sandboxes.containers.swarm import Swarm
from sandboxes.containers.tasks import last_error
from sandboxes.containers.timeline import Timeline
from sandboxes.errors import BadRequest, RunTimeout, SandboxGone, StartFailed, Unavailable
from sandboxes.model import Moment, Task

REMOVE_S = 30.0
LOOK_S = 0.05


class ServiceLife:
    """Made at once; afterwards `id` names it in `swarm`, until `close()`."""

    def __init__(self, swarm: Swarm, asked: WantedService) -> None:
        self.swarm, self.name = swarm, asked.name
        self.closed = self.drained = False
        began = time.monotonic()
        try:
            version = dataclasses.replace(asked.version, image=self._image_id(asked.version.image))
            network = swarm.network() if asked.network else None
            spec = service_spec(
                dataclasses.replace(asked, version=version), swarm.engine.owner.label, network, swarm.node
            )
            self.id = swarm.create(spec)
        except docker.errors.APIError as error:
            raise StartFailed(
                f"The service {asked.name} was not made.",
                seen=str(error.explanation),
                remedy="another name=, when this one is taken; else ./textbook doctor",
            ) from error
        except NO_ANSWER as error:
            raise swarm.engine.gone(error) from error
        self.timeline = Timeline(swarm, self.id, began)

    def known(self, version: Version) -> Version:
        """With the image's id for its name; a name that the engine does not know stays, and its tasks are rejected."""
        if version.image is None:
            return version
        with contextlib.suppress(StartFailed):
            return dataclasses.replace(version, image=self._image_id(version.image))
        return version

    def mark(self, event: str) -> None:
        """The timeline tells what the user does now."""
        self.timeline.look(event)

    def until(self, enough: Callable[[Moment, tuple[Task, ...]], bool], timeout_s: float, what: str) -> Moment:
        """The first look of which `enough` is true. Raises RunTimeout saying what did not come, SandboxGone."""
        with self.open():
            seen = self.timeline.until(enough, timeout_s)
            if seen is not None:
                return seen
            now, tasks = self.timeline.look()
        raise RunTimeout(
            f"Service {self.name} had not {what} within {timeout_s:g} s.",
            seen=f"{now.running} of {now.desired} run, {now.starting} start, {now.pending} pending, {now.failed} failed"
            f"; {now.update_message or last_error(tasks) or 'no error is told'}",
            remedy="timeline() and tasks() show how it came to this; more time with timeout_s=…",
        )

    def running(self, slot: int | None) -> Task:
        """The task that runs in a slot, or in the lowest one. Raises BadRequest, docker.errors.APIError."""
        _, tasks = self.timeline.look()
        for task in tasks:
            if task.state == "running" and task.desired == "running" and slot in (None, task.slot):
                return task
        raise BadRequest(
            "slot",
            "has no task that runs.",
            seen=f"slots that run: {sorted({task.slot for task in tasks if task.state == 'running'}) or 'none'}",
            remedy="wait(), or another slot",
        )

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Raises SandboxGone when the service is closed or gone, Unavailable when the engine refuses."""
        if self.closed:
            raise SandboxGone(f"Service {self.name} was closed.", seen="close() was called", remedy="start a new one")
        try:
            yield
        except docker.errors.NotFound as error:
            raise SandboxGone(
                f"Service {self.name} is gone.", seen=str(error.explanation), remedy="start a new one"
            ) from error
        except docker.errors.APIError as error:
            raise Unavailable(
                f"The engine refused that for service {self.name}.", seen=str(error.explanation), remedy="try it again"
            ) from error
        except NO_ANSWER as error:
            raise self.swarm.engine.gone(error) from error

    def close(self) -> None:
        """The service and its containers are gone, and the node is active again. Safe to repeat."""
        if self.closed:
            return
        self.closed = True
        self.timeline.stop()
        for step in (self._activate, lambda: self.swarm.remove(self.id), self._until_removed):
            with contextlib.suppress(docker.errors.APIError, *NO_ANSWER):
                step()

    def _activate(self) -> None:
        if self.drained:
            self.swarm.make("active")
            self.drained = False

    def _until_removed(self) -> None:
        until = time.monotonic() + REMOVE_S
        while self.swarm.holds(self.id) and time.monotonic() < until:
            time.sleep(LOOK_S)

    def _image_id(self, name: str | None) -> str:
        """Named by its id, no node asks a registry for an image. Raises StartFailed when the engine has none."""
        ready = self.swarm.engine.ready_image(name)
        return str(self.swarm.engine.api.inspect_image(ready)["Id"])  # type: ignore[no-untyped-call]
