"""The same without privilege: a user who is nobody on this machine makes a container of a user namespace."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.live.conftest import _without
from tests.live.unprivileged import User, user
from tests.machine import until_gone

Said = Callable[[str], Any]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root alone can become a user who has nothing")
HEAD = """
import json
from sandboxes import bare, errors
from sandboxes.lifecycle import owner
def say(value): print(json.dumps([owner().id, value]))
"""


@pytest.fixture(scope="module")
def nobody() -> Iterator[User]:
    """A user without a range of numbers, whom the kernel lets make user namespaces (user_namespaces(7))."""
    with user(subordinate=False) as someone:
        lines, _ = someone.run("import subprocess; print(subprocess.run(['unshare', '--user', 'true']).returncode)")
        if lines != ["0"]:
            _without("this kernel makes no user namespaces for users")
        yield someone


@pytest.fixture
def said(nobody: User) -> Said:
    """What a script of this user says as JSON; `say` is there for it. Nothing of its owner is left afterwards."""

    def run(script: str) -> Any:
        lines, errors = nobody.run(HEAD + textwrap.dedent(script))
        assert lines, errors
        owner_id, value = json.loads(lines[-1])
        assert until_gone(owner_id, 3.0) == []
        return value

    return run


def test_a_user_is_root_inside_and_nobody_special_outside(said: Said, nobody: User) -> None:
    seen = said("""
    with bare.container() as box:
        facts = box.facts()
        say({"id": box.run("id -u").stdout, "map": box.run("cat /proc/self/uid_map").stdout.split(),
             "own": facts.own, "capabilities": facts.capabilities, "seccomp": facts.seccomp,
             "ps": box.run("ps").stdout.count("\\n"), "limits": [facts.limits.memory_bytes, facts.limits.pids]})
    """)
    assert seen["id"] == "0\n"
    assert seen["map"] == ["0", str(nobody.uid), "1"]
    assert set(seen["own"]) == {"mnt", "pid", "net", "uts", "ipc", "user", "cgroup"}
    assert (seen["capabilities"], seen["seccomp"]) == ([], "filter")
    assert seen["ps"] <= 4
    assert seen["limits"] == [None, None]


def test_its_boundaries_hold_but_for_time_and_resources(said: Said) -> None:
    found = said("say([leak.boundary for leak in bare.leaks() if leak.leaks])")
    assert set(found) == {"time", "cgroup"}


@pytest.mark.parametrize("part", ["pid", "mnt"])
def test_parts_can_be_left_out(said: Said, part: str) -> None:
    found = said(f"say([leak.boundary for leak in bare.leaks(without={part!r}) if leak.leaks])")
    assert set(found) - {"time", "cgroup"} == ({"mnt", "pid"} if part == "mnt" else {part})


def test_a_limit_that_would_not_hold_is_an_error_before_anything_starts(said: Said) -> None:
    seen = said("""
    try:
        bare.container(memory="64M")
    except errors.LimitIgnored as error:
        say([str(error), list((owner().folder / "bare").glob("*")) if (owner().folder / "bare").exists() else []])
    """)
    assert "would not hold" in seen[0]
    assert seen[1] == []


def test_a_late_command_is_ended_and_the_container_lives(said: Said) -> None:
    seen = said("""
    with bare.container() as box:
        try:
            box.run("setsid sleep 1000 & sleep 1000", timeout_s=0.3)
        except errors.RunTimeout as error:
            say([error.seen, box.run("ps -o stat,args | grep -v ^Z").stdout.count("sleep")])
    """)
    assert "killed with all processes of its session" in seen[0]
    assert seen[1] == 0


def test_step_by_step_the_user_namespace_comes_first(said: Said) -> None:
    seen = said("""
    with bare.steps() as box:
        try:
            box.unshare("uts")
        except errors.Unavailable as error:
            refused = str(error)
        box.unshare("user")
        step = box.map_users()
        box.unshare("uts", "mnt", "pid", "net")
        box.sethostname("inside")
        for step in (box.overlay, box.proc, box.sysfs, box.dev, box.pivot_root, box.drop_capabilities):
            step()
        say([refused, box.run("hostname; id -u").stdout.split(), list(box.facts().capabilities)])
    """)
    assert "Operation not permitted" in seen[0]
    assert seen[1:] == [["inside", "0"], []]


def test_without_closing_nothing_is_left(said: Said) -> None:
    assert said("box = bare.container(); box.run('(setsid sleep 1000 >/dev/null 2>&1 &)'); say('left')") == "left"
