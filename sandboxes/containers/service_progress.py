"""What a service is waited for: that it comes up, heals, gets through an update."""

from __future__ import annotations

import time

from sandboxes.containers.service_life import ServiceLife
from sandboxes.containers.tasks import last_error, parse_tasks
from sandboxes.errors import StartFailed
from sandboxes.model import Heal, Moment, Rollout, Task

STEADY_S = 0.2
"""A program that fails at once has run for some 50 ms before the manager hears of it."""
HOPELESS = 3
"""So many failures more than replicas, and a service that was just made is given up."""


def begin(life: ServiceLife, replicas: int, timeout_s: float | None) -> None:
    """The timeline begins; with a deadline, all tasks run. Raises StartFailed, RunTimeout, SandboxGone."""
    with life.open():
        life.mark(f"service of {replicas}")
    if timeout_s is not None:
        _come_up(life, timeout_s)


def healing(life: ServiceLife, victim: Task, timeout_s: float) -> Heal:
    """From now, when `victim` has just been killed, until another task runs in its slot. Raises RunTimeout."""
    killed = time.monotonic()
    died: list[float] = []
    heirs: list[Task] = []

    def healed(_: Moment, tasks: tuple[Task, ...]) -> bool:
        running = [task for task in tasks if task.slot == victim.slot and task.state == "running"]
        if not died and victim.id not in [task.id for task in running]:
            died.append(time.monotonic() - killed)
        heirs.extend(task for task in running if task.id != victim.id)
        return bool(died and heirs)

    life.until(healed, timeout_s, f"another task running in slot {victim.slot}")
    return Heal(victim, heirs[-1], died[0], time.monotonic() - killed)


def rollout(life: ServiceLife, timeout_s: float) -> Rollout:
    """How the update that was just asked for ends; with no time to wait, how it stands. Raises RunTimeout.

    Swarm calls it completed when the new tasks run; the last of the old ones are waited for too. Without replicas
    nothing is rolled out, and Swarm tells no state.
    """
    began = time.monotonic()

    def over(seen: Moment, _: tuple[Task, ...]) -> bool:
        completed = seen.update_state.endswith("completed") and seen.stopping == 0
        return not timeout_s or completed or seen.update_state.endswith("paused") or seen.desired == 0

    seen = life.until(over, timeout_s, "its update at an end")
    return Rollout(
        version=seen.version,
        state=seen.update_state,
        message=seen.update_message,
        desired=seen.desired,
        running=seen.running,
        updated=seen.updated,
        wall_s=time.monotonic() - began,
    )


def _come_up(life: ServiceLife, timeout_s: float) -> None:
    """All tasks of a new service run, and did not fail at once. Raises StartFailed when they fail again and again.

    Raises RunTimeout when they do neither.
    """
    since: list[float] = []

    def decided(seen: Moment, _: tuple[Task, ...]) -> bool:
        if not seen.settled:
            since.clear()
        else:
            since.append(seen.at_s)
        return bool(since and since[-1] - since[0] >= STEADY_S) or seen.failed > seen.desired + HOPELESS

    seen = life.until(decided, timeout_s, "all tasks running")
    if seen.failed <= seen.desired + HOPELESS:
        return
    with life.open():
        error = last_error(parse_tasks(life.swarm.tasks(life.id)))
    raise StartFailed(
        f"The tasks of service {life.name} fail again and again.",
        seen=f"{seen.failed} failed, {seen.running} of {seen.desired} run; {error}",
        remedy="run() the command in an sb.container() to see what it says; or watch them fail: wait=False",
    )
