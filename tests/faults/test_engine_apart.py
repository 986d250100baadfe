"""The death of an engine, or its pause, takes nothing with it that does not hang on it."""

from __future__ import annotations

import os

import pytest

from sandboxes.containers import find_tiers
from tests.faults.books import python

pytestmark = [
    pytest.mark.usefixtures("engine_ready"),
    pytest.mark.skipif(os.geteuid() != 0, reason="engines whose cgroups are ours need root"),
]

KILLED = """
import os, signal, time
import sandboxes.containers as c
from sandboxes import bare
by_hand = bare.container()
web = c.service(replicas=1) if BESIDE else None
lost = c.container()
first = c.engine()
os.kill(first.pid, signal.SIGKILL)
until = time.monotonic() + 5
while first.alive() and time.monotonic() < until:
    time.sleep(0.01)
with c.container() as fresh:
    print(c.engine() is first, lost.running(), fresh.run("echo again").stdout.strip())
    print(c.engine().folder.name in str(fresh.cgroup().folder), fresh.sample().memory.limit_bytes)
print(by_hand.run("echo untouched").stdout.strip())
if web:
    print(web.status().running, web.run("echo served").stdout.strip(), len(web.tasks()))
"""


@pytest.mark.parametrize("tier", ["private", "podman"])
def test_a_killed_engine_takes_no_other_sandbox_of_its_owner_with_it(tier: str) -> None:
    states = {one.name: one.state for one in find_tiers()}
    if states[tier] == "not here":
        pytest.skip(f"no {tier} engine can be had here")
    beside = tier == "podman" and states["private"] != "not here"
    done = python(f"BESIDE = {beside}\n{KILLED}", BOUNDARIES_ENGINE=tier)
    wanted = ["False False again", f"True {128 << 20}", "untouched"] + (["1 served 1"] if beside else [])
    assert done.stdout.splitlines() == wanted, done.stderr


PAUSED = """
import os, signal, sys, time
import sandboxes.containers as c
from sandboxes.errors import Unavailable
from tests.faults.books import part
kept = c.container()
first = c.engine()
pid = part(first.pid, "dockerd")
os.kill(pid, signal.SIGSTOP)
begun = time.monotonic()
try:
    c.container()
except Unavailable as error:
    print(type(error).__name__, "|", error.what, "|", error.seen, "|", error.remedy)
finally:
    os.kill(pid, signal.SIGCONT)
print(time.monotonic() - begun < 10)
with c.container() as next_one:
    print(c.engine() is first, kept.run("echo kept").stdout.strip(), next_one.run("echo again").stdout.strip())
"""


def test_a_paused_engine_is_not_taken_for_a_dead_one() -> None:
    done = python(PAUSED, BOUNDARIES_ENGINE="private")
    said = done.stdout.splitlines()
    assert said[0].startswith("Unavailable | The container engine is slow just now; its containers were left alone. | ")
    assert "no answer within 2 s at unix://" in said[0] and said[0].endswith("| try it again"), done.stderr
    assert said[1:] == ["True", "True kept again"], done.stderr
