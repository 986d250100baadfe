"""An owner with running containers is killed, again and again; after five seconds nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from sandboxes.containers import find_engine
from sandboxes.errors import Unavailable
from sandboxes.lifecycle import guard
from tests.machine import left_of, until_gone

ROUNDS = 100 if os.environ.get("BOUNDARIES_SOAK") else 5
OWNING = """
import sys, sandboxes.containers as c
boxes = [c.container(network=number == 0, profile=("hardened", "open")[number % 2]) for number in range(3)]
boxes[0].start("while :; do :; done")
boxes[1].start("setsid sleep 1000 & sleep 1000")
print(c.engine().owner.id, c.engine().owner.guard_pid, c.engine().origin, flush=True)
sys.stdin.readline()
"""
STARTING = """
import threading, sandboxes.containers as c
from sandboxes.lifecycle import owner
me = owner()
print(me.id, me.guard_pid, "private", flush=True)
while True:
    c.container()
"""


@pytest.fixture(scope="module", autouse=True)
def private_engine() -> None:
    try:
        found = find_engine()
    except Unavailable as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    if found.origin != "private":
        pytest.skip("the reader's own engine is in use; its containers are looked at in tests/live")


def started(script: str) -> tuple[subprocess.Popen[str], str, int]:
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    owner_id, guard_pid, _ = process.stdout.readline().split()
    return process, owner_id, int(guard_pid)


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()


@pytest.mark.timeout(60 * ROUNDS)
def test_a_killed_owner_leaves_nothing_after_five_seconds() -> None:
    for _ in range(ROUNDS):
        process, owner_id, _ = started(OWNING)
        assert left_of(owner_id), "there was something to leave"
        kill(process)
        assert until_gone(owner_id, 5.0) == []


@pytest.mark.timeout(60 * ROUNDS)
def test_an_owner_killed_while_it_starts_containers_leaves_nothing() -> None:
    for number in range(ROUNDS):
        process, owner_id, _ = started(STARTING)
        time.sleep(0.05 + 0.9 * number / ROUNDS)
        kill(process)
        assert until_gone(owner_id, 5.0) == []


@pytest.mark.timeout(60 * ROUNDS)
def test_when_the_guard_is_killed_too_the_next_start_removes_everything() -> None:
    for _ in range(ROUNDS):
        process, owner_id, guard_pid = started(OWNING)
        os.kill(guard_pid, signal.SIGKILL)
        kill(process)
        time.sleep(0.2)
        assert left_of(owner_id), "nobody was there to clean up"
        done = subprocess.run([sys.executable, "-c", "from sandboxes.lifecycle import owner; owner()"], check=False)
        assert done.returncode == 0
        assert until_gone(owner_id, 2.0) == []


def test_an_owner_that_ends_by_itself_leaves_nothing() -> None:
    process, owner_id, _ = started(OWNING)
    process.communicate("\n", timeout=30)
    assert process.returncode == 0
    assert until_gone(owner_id, 1.0) == []


def test_a_killed_engine_takes_all_its_processes_with_it() -> None:
    process, owner_id, _ = started(OWNING)
    engine = min(guard.marked_processes(owner_id))
    os.kill(engine, signal.SIGKILL)
    until = time.monotonic() + 2
    while (running := [text for text in left_of(owner_id) if text.startswith("process")]) and time.monotonic() < until:
        time.sleep(0.02)
    assert running == []
    kill(process)
    assert until_gone(owner_id, 5.0) == []
