"""A real service in a swarm of the book's own: it grows, heals, rolls forward and back, is drained, and goes."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest

from sandboxes import containers, kernel
from sandboxes.containers import Service, members, service
from sandboxes.containers.swarm import OF_SERVICE, swarm
from sandboxes.errors import BadRequest, RunTimeout, SandboxGone, StartFailed
from sandboxes.model import Task

pytestmark = [
    pytest.mark.usefixtures("engine_ready"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a service needs a private engine, which needs root"),
]


@pytest.fixture(scope="module")
def web(engine_ready: None) -> Iterator[Service]:
    with service(replicas=3, name="web") as made:
        yield made


def live(web: Service) -> list[Task]:
    return [task for task in web.tasks() if task.state == task.desired == "running"]


def containers_of(web: Service) -> set[str]:
    """What the engine's other list says, which knows containers and no tasks."""
    found = swarm("private").engine.api.containers(filters={"label": f"{OF_SERVICE}={web.id}"})
    return {entry["Id"] for entry in found}


def versions(web: Service) -> Counter[int]:
    return Counter(task.version for task in live(web))


def test_as_many_tasks_run_as_were_asked_for(web: Service) -> None:
    assert [(task.slot, task.version) for task in live(web)] == [(1, 1), (2, 1), (3, 1)]
    assert {task.container_id for task in live(web)} == containers_of(web)
    assert web.run("hostname", slot=2).stdout == "web-2\n"


def test_a_task_is_hardened_and_limited(web: Service) -> None:
    container = str(live(web)[0].container_id)
    cgroup = members.find_cgroup(container)
    seen, init = kernel.sample(cgroup), members.init_of(cgroup)
    assert (seen.memory.limit_bytes, seen.pids.limit, seen.cpu.quota_cores) == (16 << 20, 32, 0.25)
    assert f"boundaries-{swarm('private').engine.owner.id}" in str(cgroup.folder), "it goes when its owner goes"
    assert (kernel.capabilities(init), kernel.seccomp_mode(init)) == ((), "filter")
    assert web.run("id -u; touch /x; touch /tmp/x && echo kept").stdout == "1000\nkept\n"
    assert web.run("ls /sys/class/net").stdout == "lo\n"


def test_it_grows_to_twenty_and_back(web: Service) -> None:
    assert web.scale(20).running == 20
    assert len(containers_of(web)) == 20
    assert [task.slot for task in live(web)] == list(range(1, 21))
    assert web.scale(4).running == 4
    assert len(containers_of(web)) == 4


def test_scaling_without_waiting_returns_before_it_is_true(web: Service) -> None:
    assert web.scale(6, wait=False).desired == 6
    assert web.wait(6).running == 6
    assert web.scale(0).running == 0
    assert web.scale(4).running == 4


def test_a_killed_task_is_replaced_in_its_slot(web: Service) -> None:
    others = {task.container_id for task in live(web) if task.slot != 2}
    heal = web.kill_one(2)
    assert heal.killed.slot == heal.replaced_by.slot == 2
    assert heal.killed.container_id not in containers_of(web)
    assert containers_of(web) == others | {heal.replaced_by.container_id}
    assert 0 < heal.died_s < heal.healed_s < 20
    dead = next(task for task in web.tasks() if task.id == heal.killed.id)
    assert (dead.state, dead.exit_code) == ("failed", 137)
    assert web.wait().failed >= 1


def test_killing_in_a_slot_where_nothing_runs_is_refused(web: Service) -> None:
    with pytest.raises(BadRequest, match="no task that runs"):
        web.kill_one(99)


def test_a_good_version_goes_through_all_tasks(web: Service) -> None:
    rollout = web.update(env={"COLOUR": "green-{{.Task.Slot}}"}, parallelism=4, delay_s=0)
    assert rollout.completed and (rollout.state, rollout.updated, rollout.desired) == ("completed", 4, 4)
    assert versions(web) == {rollout.version: 4}
    assert [web.run("echo $COLOUR", slot=slot).stdout for slot in (1, 4)] == ["green-1\n", "green-4\n"]


def test_a_version_that_fails_stops_and_the_rest_keeps_running(web: Service) -> None:
    good = web.status().version
    rollout = web.update(command="exit 3", parallelism=1)
    assert (rollout.state, rollout.completed, rollout.updated) == ("paused", False, 0)
    assert "failure or early termination" in rollout.message
    assert versions(web)[good] == 3, "the one task that the update had reached is lost, the others are not"
    assert {task.exit_code for task in web.tasks() if task.version == rollout.version and task.state == "failed"} == {3}
    back = web.rollback()
    assert (back.state, back.version, back.updated) == ("rollback_completed", good, 4)
    assert versions(web) == {good: 4}
    assert web.run("echo $COLOUR").stdout == "green-1\n"


def test_an_image_that_is_nowhere_stops_too(web: Service) -> None:
    good = web.status().version
    assert web.update("boundaries/nowhere:1", parallelism=1, order="start-first").state == "paused"
    assert versions(web)[good] == 4, "started first: nothing was stopped for a task that never ran"
    assert any("No such image" in task.error for task in web.tasks() if task.state == "rejected")
    assert web.rollback().updated == 4


def test_a_version_that_never_gets_ready_replaces_nothing(web: Service) -> None:
    good = web.status().version
    assert web.update(ready="false", parallelism=4, order="start-first").state == "paused"
    assert versions(web)[good] == 4
    assert web.rollback().completed


def test_scaling_leaves_no_version_to_go_back_to(web: Service) -> None:
    web.scale(3)
    with pytest.raises(BadRequest, match="no earlier version"):
        web.rollback()
    with pytest.raises(BadRequest, match="changes nothing"):
        web.update()


def test_a_drained_node_runs_nothing_until_it_is_active(web: Service) -> None:
    drained = web.drain()
    assert (drained.desired, drained.running, drained.pending) == (3, 0, 3)
    assert containers_of(web) == set()
    with pytest.raises(RunTimeout, match="no suitable node"):
        web.wait(timeout_s=0.5)
    with pytest.raises(BadRequest, match="slots that run: none"):
        web.run("true")
    assert web.activate().running == 3


def test_the_timeline_tells_what_was_done_and_what_came_of_it(web: Service) -> None:
    told = web.timeline()
    events = [moment.event for moment in told if moment.event]
    assert events[:2] == ["service of 3", "scale to 20"]
    assert [event for event in events if "node" in event] == ["drain the node", "activate the node"]
    assert {20, 4, 0} <= {moment.desired for moment in told}
    asked, changes = 0, 0
    for before, after in pairwise(told):
        assert before.at_s <= after.at_s and before.failed <= after.failed
        asked += bool(before.event)
        changes += (before.desired, before.version) != (after.desired, after.version)
        assert changes <= asked, "what is asked for changes only when somebody asks"
    for moment in told:
        assert 0 <= moment.updated <= moment.running - moment.stopping
        assert moment.updated + moment.starting + moment.pending <= moment.desired + 4, "as many more as start first"
    assert told[-1].settled


def test_the_timeline_sees_what_nobody_announced(web: Service) -> None:
    before = web.wait()
    swarm("private").engine.api.kill(str(live(web)[0].container_id))
    until = time.monotonic() + 20
    while web.timeline()[-1].failed == before.failed and time.monotonic() < until:
        time.sleep(0.05)  # the timeline looks by itself: nobody asks the service anything here
    web.wait()
    since = [moment for moment in web.timeline() if moment.at_s > before.at_s]
    assert {moment.running for moment in since} == {2, 3}
    assert not any(moment.event for moment in since)


def test_tasks_find_each_other_by_name() -> None:
    serving = 'echo "$HOSTNAME" > /tmp/index.html; exec httpd -f -p 8080 -h /tmp'
    with service(replicas=3, name="pages", network=True, command=serving) as pages:
        lookup = pages.run("nslookup tasks.pages | grep -A1 'Name:.*tasks.pages' | grep Address").stdout
        addresses = {line.split()[-1] for line in lookup.splitlines()}
        assert len(addresses) == 3
        answered = {pages.run(["wget", "-qO-", f"http://{address}:8080"]).stdout.strip() for address in addresses}
        assert answered == {"pages-1", "pages-2", "pages-3"}
        assert pages.run("timeout 5 wget -qO- http://tasks.pages:8080").stdout.strip() in answered
        assert pages.run("timeout 2 wget -qO- http://192.0.2.1 || echo none").stdout == "none\n"


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"command": "exit 5", "replicas": 2}, StartFailed, r"non-zero exit \(5\)"),
        ({"image": "boundaries/nowhere:1"}, StartFailed, "no image"),
        ({"replicas": 5, "timeout_s": 0.1}, RunTimeout, "of 5 run"),
        ({"name": "web"}, StartFailed, "name"),
    ],
    ids=["failing", "no_image", "late", "taken"],
)
def test_a_service_that_does_not_come_up_leaves_nothing(
    web: Service, asked: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        service(**asked)
    api = swarm("private").engine.api
    assert [entry["ID"] for entry in api.services()] == [web.id]
    assert {task["ServiceID"] for task in api.tasks()} == {web.id}
    running = api.containers(all=True)
    assert {entry["Labels"][OF_SERVICE] for entry in running if OF_SERVICE in entry["Labels"]} == {web.id}


def test_a_closed_service_is_gone_and_its_timeline_stays(web: Service) -> None:
    web.drain()
    web.close()
    web.close()
    assert containers_of(web) == set()
    node = swarm("private").engine.api.inspect_node(swarm("private").node)
    assert node["Spec"]["Availability"] == "active", "what it drained it left active"
    assert web.timeline()[-1].desired == 3
    for call in (
        web.tasks,
        web.status,
        web.wait,
        web.kill_one,
        web.drain,
        lambda: web.scale(1),
        lambda: web.run("true"),
    ):
        with pytest.raises(SandboxGone, match="was closed"):
            call()


def test_one_engine_holds_containers_and_services() -> None:
    if containers.engine().origin == "private":
        assert swarm("private").engine is containers.engine()
    else:
        assert swarm("private").engine is not containers.engine()
