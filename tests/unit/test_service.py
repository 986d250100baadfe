"""What may be asked of a service, its words in the Engine API, and a manager's recorded answers as records."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandboxes.containers.service_spec import FIRST, change_version, service_spec, version_of
from sandboxes.containers.service_wanted import Rolling, Version, wanted_rolling, wanted_service, wanted_version
from sandboxes.containers.tasks import FAILED, last_error, moment, parse_tasks
from sandboxes.errors import BadRequest
from sandboxes.model import Moment

RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parent / "data/engines/swarm-20.10-paused-update.json").read_text()
)
GOOD: dict[str, Any] = dict(
    image=None,
    replicas=3,
    command=None,
    env=None,
    ready=None,
    name="web",
    memory="16M",
    cpus=0.25,
    pids=32,
    network=False,
)


def test_tasks_are_listed_by_slot_the_oldest_first() -> None:
    tasks = parse_tasks(RECORDED["tasks"])
    assert [(task.slot, task.version, task.state) for task in tasks] == [
        (1, 1, "shutdown"),
        (1, 2, "failed"),
        (1, 2, "pending"),
        (2, 1, "running"),
        (3, 1, "shutdown"),
        (3, 2, "failed"),
        (3, 2, "pending"),
        (4, 1, "running"),
        (5, 1, "running"),
        (6, 1, "running"),
    ]


def test_a_failed_task_tells_its_exit_code_and_when() -> None:
    failed = next(task for task in parse_tasks(RECORDED["tasks"]) if task.slot == 3 and task.state == "failed")
    assert (failed.exit_code, failed.error, failed.desired) == (3, "task: non-zero exit (3)", "shutdown")
    assert failed.since == datetime(2026, 11, 25, 2, 40, 42, 957433, tzinfo=UTC)
    assert failed.container_id and len(failed.container_id) >= 60


def test_a_task_that_waits_has_no_container_and_no_exit_code() -> None:
    waiting = next(task for task in parse_tasks(RECORDED["tasks"]) if task.state == "pending")
    assert (waiting.container_id, waiting.exit_code) == (None, None)


def test_a_stopped_update_is_counted_as_it_was() -> None:
    tasks = parse_tasks(RECORDED["tasks"])
    failed = sum(task.state in FAILED for task in tasks)
    seen = moment(2.0, "", RECORDED["service"], tasks, failed)
    assert (seen.desired, seen.running, seen.stopping, seen.starting, seen.pending) == (6, 4, 0, 0, 2)
    assert (seen.version, seen.updated, seen.failed, seen.update_state) == (2, 0, 2, "paused")
    assert "early termination of task" in seen.update_message
    assert not seen.settled
    assert last_error(tasks) == "task: non-zero exit (3)"


@pytest.mark.parametrize(
    ("wrong", "settled"),
    [({}, True), ({"running": 2}, False), ({"stopping": 1}, False), ({"updated": 2}, False), ({"pending": 1}, False)],
)
def test_a_service_is_settled_when_what_is_seen_is_what_is_asked(wrong: dict[str, int], settled: bool) -> None:
    counts = dict(desired=3, running=3, stopping=0, starting=0, pending=0, failed=7, updated=3, version=1) | wrong
    assert Moment(at_s=1.0, event="", update_state="", update_message="", **counts).settled is settled


def test_a_task_is_as_hardened_as_a_service_can_say() -> None:
    spec = service_spec(wanted_service(**GOOD), {"owner": "me"}, None, "node1")
    task = spec["TaskTemplate"]
    container = task["ContainerSpec"]
    assert (container["User"], container["CapabilityDrop"], container["ReadOnly"]) == ("1000:1000", ["ALL"], True)
    assert task["Resources"]["Limits"] == {"MemoryBytes": 16 << 20, "NanoCPUs": 250_000_000, "Pids": 32}
    assert (task["LogDriver"], task["Networks"]) == ({"Name": "none"}, [])
    assert spec["Labels"]["owner"] == container["Labels"]["owner"] == "me"
    assert container["Command"] == ["sleep", "infinity"]
    assert version_of(spec) == 1


def test_an_update_changes_what_it_names_and_nothing_else() -> None:
    spec = service_spec(wanted_service(**GOOD), {}, None, "node1")
    before = json.loads(json.dumps(spec))
    change_version(spec, Version(None, None, ("A=1",), None), 2, FIRST)
    assert version_of(spec) == 2
    container = spec["TaskTemplate"]["ContainerSpec"]
    assert container.pop("Env") == ["A=1"]
    container["Labels"] = before["TaskTemplate"]["ContainerSpec"]["Labels"]
    assert spec == before


def test_an_update_stops_at_the_first_failure_and_a_rollback_stops_tasks_first() -> None:
    spec = service_spec(wanted_service(**GOOD), {}, None, "node1")
    change_version(spec, Version(None, ("true",), None, None), 2, Rolling(4, "start-first", 0.5, 2.0))
    update = spec["UpdateConfig"]
    assert (update["Parallelism"], update["Order"], update["Monitor"]) == (4, "start-first", 2_000_000_000)
    assert (update["FailureAction"], update["MaxFailureRatio"]) == ("pause", 0)
    assert spec["RollbackConfig"] == update | {"Order": "stop-first"}


def test_no_limit_is_said_by_saying_nothing() -> None:
    asked = wanted_service(**GOOD | {"memory": None, "cpus": None, "pids": None})
    assert service_spec(asked, {}, None, "node1")["TaskTemplate"]["Resources"]["Limits"] == {}


def test_a_readers_image_runs_its_own_command() -> None:
    spec = service_spec(wanted_service(**GOOD | {"image": "web:1"}), {}, None, "node1")
    assert "Command" not in spec["TaskTemplate"]["ContainerSpec"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("replicas", -1),
        ("replicas", 10**6),
        ("replicas", 1.5),
        ("replicas", True),
        ("name", "Web server"),
        ("name", "x" * 31),
        ("name", 3),
        ("command", ""),
        ("command", 7),
        ("ready", []),
        ("image", " "),
        ("env", {"A B": "1"}),
        ("env", {"A": 1}),
        ("env", "A=1"),
        ("memory", "1"),
        ("cpus", 0),
        ("pids", 1),
        ("network", "yes"),
    ],
)
def test_what_can_never_work_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(BadRequest) as caught:
        wanted_service(**GOOD | {field: value})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "value"),
    [("parallelism", 0), ("order", "at-once"), ("delay_s", -1.0), ("monitor_s", 0.0), ("monitor_s", float("nan"))],
)
def test_a_way_of_rolling_out_that_cannot_work_is_refused(field: str, value: Any) -> None:
    good = dict(parallelism=2, order="stop-first", delay_s=0.5, monitor_s=1.0)
    with pytest.raises(BadRequest) as caught:
        wanted_rolling(**good | {field: value})
    assert caught.value.field == field


def test_a_version_says_only_what_changes() -> None:
    assert wanted_version(None, "exit 1", None, None) == Version(None, ("sh", "-c", "exit 1"), None, None)
