"""Services: what was asked of an orchestrator, and what was seen of it over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Task:
    """One task of a service: a container to be, one that runs, or one that ended.

    `slot` is its place among the replicas, from 1; a task that ended is followed by another one in its slot.
    `desired` and `state` are Swarm's words, "new" to "running" to "shutdown", "failed" or "rejected"; `since` is the
    engine's clock when `state` began. `version` counts the service's updates from 1. None: no container yet, or none
    that ended. Source: Docker Engine API, "List tasks"; docs.docker.com, "Swarm task states".
    """

    id: str
    slot: int
    version: int
    desired: str
    state: str
    since: datetime
    container_id: str | None
    exit_code: int | None
    error: str


@dataclass(frozen=True)
class Moment:
    """A service at one time: what it should be, and what the engine said of its tasks.

    `at_s` counts from when the service was asked for, on a monotonic clock, to when the engine had answered. `event`
    is what the user had just done, or "" for a mere look. `desired` is the number of replicas asked for. `running` are
    all tasks that run, with those of them that are `stopping`; `starting` have a node and do not run yet; `pending`
    wait for a node. `failed` counts all that failed so far, as far as a look met them. `updated` run the `version` that
    is wanted now. `update_state` is "" or Swarm's word: updating, paused, completed, rollback_started,
    rollback_paused, rollback_completed.
    """

    at_s: float
    event: str
    desired: int
    running: int
    stopping: int
    starting: int
    pending: int
    failed: int
    updated: int
    version: int
    update_state: str
    update_message: str

    @property
    def settled(self) -> bool:
        """What was seen is what was asked for: so many run, of this version, and none is on its way in or out."""
        on_the_way = self.stopping + self.starting + self.pending
        return self.desired == self.running == self.updated and on_the_way == 0


@dataclass(frozen=True)
class Heal:
    """A task that was killed, and the one that took its slot. Seconds count from the kill to the look that saw it."""

    killed: Task
    replaced_by: Task
    died_s: float
    healed_s: float


@dataclass(frozen=True)
class Rollout:
    """How a rolling update or a rollback to `version` ended: `state` is Swarm's word, with its message.

    `updated` of `desired` tasks run that version; `running` run any.
    """

    version: int
    state: str
    message: str
    desired: int
    running: int
    updated: int
    wall_s: float

    @property
    def completed(self) -> bool:
        """It went through; False: it stopped because tasks of this version fail."""
        return self.state.endswith("completed")
