"""An owner with a swarm is killed, at rest or in the middle of a change; so is its engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from sandboxes.lifecycle import guard, owner
from tests.machine import Photograph, settled

pytestmark = [
    pytest.mark.usefixtures("engine_ready"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a service needs a private engine, which needs root"),
]

ROUNDS = 10 if os.environ.get("BOUNDARIES_SOAK") else 1
OWNING = """
import sys
from sandboxes.containers import service
from sandboxes.containers.swarm import swarm
web = service(replicas=3, network=True)
print(swarm("private").engine.owner.id, flush=True)
if "busy" in sys.argv:
    web.scale(15, wait=False)
    web.update(env={"A": "1"}, parallelism=5, order="start-first", wait=False)
    print("busy", flush=True)
sys.stdin.readline()
"""
ENGINE_DIES = """
import os, signal, time
from sandboxes.containers import service
from sandboxes.containers.swarm import swarm
from sandboxes.errors import SandboxGone
web = service(replicas=2)
os.kill(swarm("private").engine.pid, signal.SIGKILL)
time.sleep(0.5)
for call in (web.status, lambda: web.scale(3), web.kill_one, web.wait):
    try: call()
    except SandboxGone as error: print("gone:", error.what)
print(len(web.timeline()) > 1)
web.close()
with service(replicas=1) as again:
    print(again.status().running)
"""


def started(*words: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNING, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    owner_id = process.stdout.readline().strip()
    if words:
        assert process.stdout.readline() == "busy\n"
    return process, owner_id


@pytest.mark.parametrize("when", [(), ("busy",)], ids=["at_rest", "in_the_middle"])
@pytest.mark.timeout(60 * ROUNDS)
def test_a_killed_owner_leaves_nothing_of_its_swarm(when: tuple[str, ...]) -> None:
    owner()  # its guard belongs to the test process
    quiet = Photograph.take()
    for number in range(ROUNDS):
        process, owner_id = started(*when)
        assert list(guard.marked_processes(owner_id)), "there was something to leave"
        time.sleep(0.5 * number / ROUNDS)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert settled(quiet, 5.0) == {}


def test_a_killed_engine_is_told_and_the_next_service_has_a_new_one() -> None:
    done = subprocess.run([sys.executable, "-c", ENGINE_DIES], capture_output=True, text=True, timeout=120, check=False)
    lines = done.stdout.splitlines()
    assert lines[-2:] == ["True", "1"], done.stderr
    assert len([line for line in lines if line.startswith("gone:")]) == 4
