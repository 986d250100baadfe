"""The private engine of a user without privileges: what it can do, what it refuses, and that nothing of it stays."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from tests.live.unprivileged import User, user

pytestmark = [
    pytest.mark.usefixtures("engine_ready"),
    pytest.mark.skipif(os.geteuid() != 0, reason="making a user needs root"),
]


@pytest.fixture(scope="module")
def learner() -> Iterator[User]:
    with user() as made:
        yield made


USING = """
print(c.find_engine() == c.engine().facts())
print(c.engine().facts())
with c.container() as box:
    print(set(vars(box.limits).values()))
    print(box.run("id -u").stdout.strip(), box.run("cat /proc/self/uid_map").stdout.split()[:3])
    facts = box.facts()
    print(facts.cgroup, facts.init.pid_inside, len(facts.init.namespaces))
    job = box.start("sleep 1000")
    print("sleep 1000" in [process.command for process in box.processes()])
    job.stop()
    print(job.running())
    try:
        box.run("setsid sleep 4001 & sleep 4002", timeout_s=0.7)
    except RunTimeout as late:
        print(late.seen)
    print("400" in box.run("ps").stdout)
"""


def test_a_container_runs_in_a_user_namespace_without_limits(learner: User) -> None:
    said, errors = learner.run(USING)
    assert said[0] == "True", errors
    assert "origin='rootless', rootless=True" in said[1] and "user_namespaces=True" in said[1]
    assert "memory_limit=False" in said[1] and "psi=False" in said[1]
    assert said[2:] == [
        "{None}",
        f"1000 ['0', '{learner.uid}', '1']",
        "None 1 8",
        "True",
        "False",
        "it was killed with all its processes; its output until then: (none)",
        "False",
    ], errors


REFUSED = """
for asked in ({"memory": "64M"}, {"cpus": 0.5}, {"pids": 64}):
    try:
        c.container(**asked)
    except LimitIgnored as error:
        print(*asked, "BOUNDARIES_ENGINE=private" in error.remedy)
print(c.engine().api.containers(all=True))
with c.container() as box:
    for call in (lambda: box.limit(memory="64M"), box.sample, box.pause):
        try:
            call()
        except SandboxError as error:
            print(type(error).__name__)
"""


def test_a_limit_that_was_asked_for_is_an_error_that_says_who_honours_it(learner: User) -> None:
    said, errors = learner.run(REFUSED)
    assert said == ["memory True", "cpus True", "pids True", "[]", "LimitIgnored", "Unavailable", "Unavailable"], errors


NAMES = """
net = sb.network()
with c.container(network=net, name="one") as one, c.container(network=net, name="two") as two:
    print(sorted(one.facts().addresses.values()) != sorted(two.facts().addresses.values()))
    print(next(iter(one.facts().addresses.values())) in two.run("nslookup one").stdout)
"""


def test_containers_of_a_network_find_each_other_by_name(learner: User) -> None:
    said, errors = learner.run(NAMES)
    assert said == ["True", "True"], errors


LIVING = """
boxes = [c.container() for _ in range(2)]
boxes[0].start("sleep 1000")
print("ready", flush=True)
sys.stdin.readline()
"""


def test_a_killed_owner_leaves_nothing(learner: User) -> None:
    assert learner.left_when_killed(LIVING) == ([], [])


def test_without_a_range_of_numbers_the_tier_says_what_to_do() -> None:
    with user(subordinate=False) as made:
        said, errors = made.run("for tier in c.find_tiers(): print(tier.name, tier.state, tier.why, '|', tier.remedy)")
        rootless = next(line for line in said if line.startswith("rootless"))
        assert rootless.startswith("rootless not here"), errors
        assert f"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {made.name}" in rootless
        assert said[-1].startswith("bare chosen")


DENIED = """
import time
begun = time.monotonic()
try:
    c.engine()
except EngineUnavailable as error:
    print(error.seen)
print(time.monotonic() - begun < 20)
"""


def test_a_socket_that_this_user_may_not_use_is_named_at_once(learner: User) -> None:
    path = learner.home / "closed.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o600)
        said, errors = learner.run(DENIED, DOCKER_HOST=f"unix://{path}", BOUNDARIES_ENGINE="reader")
    assert said == [f"reader: DOCKER_HOST (unix://{path}) does not answer: Permission denied", "True"], errors
