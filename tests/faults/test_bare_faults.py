"""Containers made by hand in every kind of trouble: nothing of them is left, and the host does not notice."""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandboxes import bare
from sandboxes.bare.agent import agent
from sandboxes.errors import RunTimeout, SandboxError, StartFailed
from sandboxes.lifecycle import owner
from tests.machine import left_of, until_gone

pytestmark = [
    pytest.mark.usefixtures("bare_ready"),
    pytest.mark.skipif(os.geteuid() != 0, reason="limits need root"),
    pytest.mark.timeout(1200),
]

ROUNDS = 100 if os.environ.get("BOUNDARIES_SOAK") else 6
CYCLES = 200 if os.environ.get("BOUNDARIES_SOAK") else 30
STEPS = 14
NURSERY = """
import contextlib, os, sys, time
from sandboxes import bare
from sandboxes.lifecycle import owner

def begun():
    print(owner().id, os.getpid(), owner().guard_pid, flush=True)

def steps(number):
    box = bare.steps()
    begun()
    for step in (
        lambda: box.cgroup(memory="64M", pids=30), lambda: box.unshare("uts"), lambda: box.sethostname("inside"),
        lambda: box.unshare("ipc"), lambda: box.unshare("net"), box.loopback, lambda: box.unshare("mnt"),
        lambda: box.unshare("pid"), box.overlay, box.proc, box.dev, box.pivot_root, box.setuid, box.drop_capabilities,
    )[:number]:
        step()
    box.run("(setsid sleep 1000 >/dev/null 2>&1 &)")

def whole(number):
    boxes = [bare.container(), bare.container(without="pid"), bare.container(user=True, without="mnt")]
    begun()
    for box in boxes:
        box.run("(env -i setsid sleep 1000 >/dev/null 2>&1 &)")

def again(number):
    begun()
    while True:
        with bare.container(without=("pid",) if number % 2 else ()) as box:
            box.run("true")

for line in sys.stdin:
    name, number = line.split()
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    if os.fork() == 0:
        {"steps": steps, "whole": whole, "again": again}[name](int(number))
        print("done", flush=True)
        time.sleep(1000)
"""

Begin = Callable[[str, int], tuple[str, int, int]]


@pytest.fixture(scope="module")
def nursery() -> Iterator[subprocess.Popen[str]]:
    """A process that has imported everything, and forks an owner when asked: that takes no time."""
    process = subprocess.Popen(
        [sys.executable, "-c", NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=os.getcwd()
    )
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def begin(nursery: subprocess.Popen[str]) -> Begin:
    """A new owner that does as it is told: its id, its pid and its guard's."""

    def asked(name: str, number: int) -> tuple[str, int, int]:
        assert nursery.stdin is not None
        nursery.stdin.write(f"{name} {number}\n")
        nursery.stdin.flush()
        owner_id, pid, guard = line(nursery).split()
        return owner_id, int(pid), int(guard)

    return asked


def line(nursery: subprocess.Popen[str]) -> str:
    assert nursery.stdout is not None
    return nursery.stdout.readline().strip()


def responsiveness_ms(during_s: float) -> list[float]:
    """How long a sleep of 10 ms really takes, again and again."""
    seen, until = [], time.monotonic() + during_s
    while time.monotonic() < until:
        begun = time.monotonic()
        time.sleep(0.01)
        seen.append((time.monotonic() - begun) * 1000)
    return seen


def test_an_owner_killed_after_any_step_leaves_nothing(begin: Begin, nursery: subprocess.Popen[str]) -> None:
    for number in range(0, STEPS + 1, 1 if ROUNDS == 100 else 3):
        owner_id, pid, _ = begin("steps", number)
        assert line(nursery) == "done"
        assert left_of(owner_id), "there was something to leave"
        os.kill(pid, signal.SIGKILL)
        assert until_gone(owner_id, 5.0) == [], f"after {number} steps"


def test_an_owner_killed_with_whole_containers_leaves_nothing(begin: Begin, nursery: subprocess.Popen[str]) -> None:
    for number in range(max(1, ROUNDS // 3)):
        owner_id, pid, _ = begin("whole", number)
        assert line(nursery) == "done"
        os.kill(pid, signal.SIGKILL)
        assert until_gone(owner_id, 5.0) == []


def test_an_owner_killed_at_any_moment_leaves_nothing(begin: Begin) -> None:
    chance = random.Random(7)
    for number in range(ROUNDS):
        owner_id, pid, _ = begin("again", number)
        time.sleep(chance.random() * 0.2)
        os.kill(pid, signal.SIGKILL)
        assert until_gone(owner_id, 5.0) == []


def test_when_the_guard_is_killed_too_the_next_owner_sweeps(begin: Begin, nursery: subprocess.Popen[str]) -> None:
    owner_id, pid, guard = begin("whole", 0)
    assert line(nursery) == "done"
    os.kill(guard, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.3)
    assert left_of(owner_id), "nobody was there to clean up"
    subprocess.run([sys.executable, "-c", "from sandboxes.lifecycle import owner; owner()"], check=True)
    assert until_gone(owner_id, 3.0) == []


def test_containers_outlive_the_process_that_made_them_and_a_new_one_is_started() -> None:
    with bare.container() as first:
        before = agent().pid
        os.kill(before, signal.SIGKILL)
        assert first.run("echo alive").stdout == "alive\n"
        for _ in range(20):  # until its death has been noticed a request may still go to it
            try:
                second = bare.container()
                break
            except SandboxError:
                time.sleep(0.05)
        with second:
            assert second.run("echo new").stdout == "new\n"
            assert agent().pid != before


def test_a_fork_bomb_meets_its_limit_and_the_host_goes_on_answering() -> None:
    with bare.container(pids=40) as box, ThreadPoolExecutor(1) as apart:
        late = apart.submit(box.run, "bomb() { bomb & bomb & sleep 1000; }; bomb & while :; do :; done", timeout_s=1.5)
        delays = responsiveness_ms(1.0)
        assert isinstance(late.exception(), RunTimeout)
        assert box.sample().pids.limit_hits > 0
        assert box.run("echo alive").stdout == "alive\n"
    assert statistics.quantiles(delays, n=100)[98] <= 500


def test_many_small_hogs_die_and_the_first_process_lives() -> None:
    hogs = 'for i in $(seq 1 30); do (x=$(head -c 3000000 /dev/zero | tr "\\0" a); sleep 3; echo ${#x}) & done; wait'
    with bare.container(memory="12M") as box:
        before = box.pid
        box.run(hogs, timeout_s=60)
        assert box.sample().memory.oom_kills > 0
        assert box.pid == before
        assert box.run("echo alive").stdout == "alive\n"


def test_a_full_disk_is_the_container_s_own() -> None:
    with bare.container(memory="128M") as box:
        seen = box.run("dd if=/dev/zero of=/tmp/big bs=1M count=500")
        assert "No space left" in seen.stderr or box.sample().memory.oom_kills > 0
        assert box.run("rm -f /tmp/big; echo alive").stdout == "alive\n"


def test_a_flood_of_output_is_bounded_and_ended() -> None:
    with bare.container() as box:
        with pytest.raises(RunTimeout):
            box.run("yes", timeout_s=1.0)
        assert box.run("echo alive").stdout == "alive\n"


def test_an_interrupted_command_does_not_go_on() -> None:
    with bare.container() as box:
        previous = signal.signal(signal.SIGALRM, _interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            with pytest.raises(KeyboardInterrupt):
                box.run("sleep 1000")
        finally:
            signal.signal(signal.SIGALRM, previous)
        assert "sleep" not in box.run("ps -o stat,args | grep -v ^Z").stdout


def test_a_container_that_fails_half_way_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bare.container().close()
    before = set(left_of(owner().id))
    monkeypatch.setattr("sandboxes.bare.plan.TMPFS_BYTES", -5)
    with pytest.raises(StartFailed, match="overlay"):
        bare.container()
    assert set(left_of(owner().id)) <= before


def test_coming_and_going_costs_no_file_descriptors_and_no_memory() -> None:
    with bare.container() as box:
        box.run("true")
    handles, size = _grown()
    for _ in range(CYCLES):
        with bare.container() as box:
            box.run("true")
    more_handles, more_size = _grown()
    assert more_handles <= handles + 2
    assert more_size <= size + (8 << 20)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _grown() -> tuple[int, int]:
    """Open file descriptors and resident bytes of this process and of the one that makes containers."""
    pids = (os.getpid(), agent().pid)
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids), pages * 4096
