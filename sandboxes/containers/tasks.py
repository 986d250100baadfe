"""The engine's answers about a service and its tasks -> records. Nothing here asks the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sandboxes.containers.service_spec import version_of
from sandboxes.model import Moment, Task

WAITING = ("new", "pending")
STARTING = ("assigned", "accepted", "preparing", "ready", "starting")
FAILED = ("failed", "rejected", "orphaned")
WANTED = ("ready", "running")
"""Desired states of a task that is to run: now, or once the one before it has stopped."""


def parse_task(answer: Mapping[str, Any]) -> Task:
    """One entry of "List tasks" (Docker Engine API 1.41)."""
    status = answer["Status"]
    container = status.get("ContainerStatus") or {}
    ended = status["State"] in ("complete", "failed", "shutdown")
    return Task(
        id=answer["ID"],
        slot=int(answer.get("Slot") or 0),
        version=version_of(answer["Spec"]),
        desired=answer["DesiredState"],
        state=status["State"],
        since=datetime.fromisoformat(status["Timestamp"]),
        container_id=container.get("ContainerID") or None,
        exit_code=int(container.get("ExitCode") or 0) if ended and container.get("ContainerID") else None,
        error=status.get("Err", ""),
    )


def parse_tasks(answers: Iterable[Mapping[str, Any]]) -> tuple[Task, ...]:
    """All tasks that the engine still lists, by slot, the oldest first."""
    ordered = sorted(answers, key=lambda answer: (int(answer.get("Slot") or 0), answer["Version"]["Index"]))
    return tuple(parse_task(answer) for answer in ordered)


def moment(at_s: float, event: str, service: Mapping[str, Any], tasks: Iterable[Task], failed: int) -> Moment:
    """The counts of one look: `service` is the answer of "Inspect a service", `tasks` were listed after it."""
    version = version_of(service["Spec"])
    counts: Counter[str] = Counter()
    for task in tasks:
        running, wanted = task.state == "running", task.desired in WANTED
        counts["running"] += running
        counts["stopping"] += running and not wanted
        counts["updated"] += running and wanted and task.version == version
        counts["starting"] += wanted and task.state in STARTING
        counts["pending"] += wanted and task.state in WAITING
    status = service.get("UpdateStatus") or {}
    return Moment(
        at_s=at_s,
        event=event,
        desired=int(service["Spec"]["Mode"]["Replicated"].get("Replicas") or 0),
        running=counts["running"],
        stopping=counts["stopping"],
        starting=counts["starting"],
        pending=counts["pending"],
        failed=failed,
        updated=counts["updated"],
        version=version,
        update_state=status.get("State", ""),
        update_message=status.get("Message", ""),
    )


def last_error(tasks: Iterable[Task]) -> str:
    """What the engine says of the latest task that has something wrong; "" when none has."""
    wrong = [task for task in tasks if task.error]
    return max(wrong, key=lambda task: task.since).error if wrong else ""
