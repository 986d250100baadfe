"""What was asked of a service and what was seen of it, from its beginning: looked at again and again by a thread.

Each look reads the whole state, so that nothing depends on having met every event (level-triggered).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import docker

from sandboxes.containers.client import NO_ANSWER
from sandboxes.containers.swarm import Swarm
from sandboxes.containers.tasks import FAILED, moment, parse_tasks
from sandboxes.model import Moment, Task

BUSY_S = 0.06
CALM_S = 0.25
BUSY_AFTER_EVENT_S = 2.0
MOST_MOMENTS = 20_000
"""Then the oldest are forgotten: an hour of a service that never settles."""


class Timeline:
    """Looks at a service every 60 ms while it moves and every 250 ms when it is settled, until `stop()`."""

    def __init__(self, swarm: Swarm, service: str, began: float) -> None:
        self._swarm, self._service, self._began = swarm, service, began
        self._moments: deque[Moment] = deque(maxlen=MOST_MOMENTS)
        self._latest: Moment | None = None
        self._failed: set[str] = set()
        self._busy_until = 0.0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"timeline {service}", daemon=True)
        self._thread.start()

    def look(self, event: str = "") -> tuple[Moment, tuple[Task, ...]]:
        """Read the state now; it is kept when there is an event, or when it differs from the one before.

        Raises docker.errors.APIError, or one of NO_ANSWER.
        """
        with self._lock:
            service, tasks = self._read()
            self._failed |= {task.id for task in tasks if task.state in FAILED}
            at_s = time.monotonic() - self._began
            seen = moment(at_s, event, service, tasks, len(self._failed))
            if event:
                self._busy_until = at_s + BUSY_AFTER_EVENT_S
            if event or self._latest is None or replace(self._latest, at_s=at_s, event="") != seen:
                self._moments.append(seen)
            self._latest = seen
            return seen, tasks

    def _read(self) -> tuple[dict[str, Any], tuple[Task, ...]]:
        """The service, and the tasks listed while it was as it says: they are of no later wish than its own."""
        service = self._swarm.inspect(self._service)
        while True:
            tasks = parse_tasks(self._swarm.tasks(self._service))
            before, service = service, self._swarm.inspect(self._service)
            if service["Version"] == before["Version"]:
                return service, tasks

    def until(self, enough: Callable[[Moment, tuple[Task, ...]], bool], timeout_s: float) -> Moment | None:
        """The first look of which `enough` is true; None when there was none in time. Raises as look() does."""
        deadline = time.monotonic() + timeout_s
        while True:
            seen, tasks = self.look()
            if enough(seen, tasks):
                return seen
            if time.monotonic() > deadline:
                return None
            time.sleep(BUSY_S)

    def moments(self) -> tuple[Moment, ...]:
        """Every change so far, and the latest look at the end. Safe to call when the service is gone."""
        with self._lock:
            found = tuple(self._moments)
            latest = self._latest
        return found if latest is None or found[-1] is latest else (*found, latest)

    def stop(self) -> None:
        """Nothing is looked at any more."""
        self._stopped.set()
        self._thread.join(timeout=5)

    def _watch(self) -> None:
        while not self._stopped.wait(self._pause_s()):
            try:
                self.look()
            except docker.errors.NotFound:
                return
            except docker.errors.APIError:
                continue  # a manager that is busy refuses now and then
            except NO_ANSWER:
                return

    def _pause_s(self) -> float:
        """Time until the next look is due; someone who waits in until() has looked meanwhile."""
        with self._lock:
            latest = self._latest
        if latest is None:
            return BUSY_S
        calm = latest.settled and latest.at_s > self._busy_until
        due = latest.at_s + (CALM_S if calm else BUSY_S)
        return max(0.01, due - (time.monotonic() - self._began))
