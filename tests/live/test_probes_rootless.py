"""The probes asked by a user without privileges, and in that user's own containers, whose root is nobody outside."""

from __future__ import annotations

import json
import os

import pytest

from tests.live.unprivileged import user

pytestmark = [
    pytest.mark.usefixtures("engine_ready"),
    pytest.mark.skipif(os.geteuid() != 0, reason="making a user needs root"),
]

POLICIES = {"trace-own-child", "new-user-namespace", "mount-in-new-namespace"}
"""What a setting or a security module may refuse to a user: kernel.yama.ptrace_scope, AppArmor's user namespaces."""

Answers = tuple[dict[str, list[int]], dict[str, dict[str, str]]]
"""Numbers of uid maps outside, and verdicts by probe: each by place."""

ASK = """
import json
with sb.container(name="rootless", profile="open") as box, sb.container(name="hardened") as hard:
    matrix = sb.probe(sb.host(), box, hard)
maps = {who.place: [one.outside for one in who.privileges.uid_map] for who in matrix.standings}
verdicts = {who.place: {cell.probe: cell.verdict for cell in matrix.column(who.place)} for who in matrix.standings}
print(json.dumps([maps, verdicts, os.getuid()]))
"""


@pytest.fixture(scope="module")
def answers(engine_ready: None) -> Answers:
    """As a process of the user's saw them."""
    with user() as made:
        said, errors = made.run(ASK)
    assert said, errors
    maps, verdicts, uid = json.loads(said[-1])
    assert maps["rootless"][0] == uid, "root in the container is the user outside"
    return maps, verdicts


def test_every_probe_is_answered_for_a_user_without_privileges(answers: Answers) -> None:
    maps, verdicts = answers
    assert set(verdicts) == {"host", "rootless", "hardened"}
    assert maps["host"] == [0] and len(maps["rootless"]) == 2
    for place, said in verdicts.items():
        assert "not asked" not in said.values(), place
        unexplained = {id_ for id_, verdict in said.items() if verdict == "denied: policy"}
        assert unexplained <= (POLICIES if place == "host" else set()), place


def test_the_user_may_do_little_on_the_host(answers: Answers) -> None:
    said = answers[1]["host"]
    for id_ in ("mount", "set-clock", "set-hostname", "raw-socket", "change-user", "make-device", "reboot"):
        assert said[id_] == "denied: capability"
    assert said["write-core-pattern"] == "denied: file permission"
    assert said["see-host-process"] == said["read-host-memory"] == "reaches the host", "it is the user's own"


def test_root_in_a_rootless_container_is_stopped_at_the_edge_of_its_user_namespace(answers: Answers) -> None:
    said = answers[1]["rootless"]
    assert said["make-device"] == said["write-setting"] == said["write-core-pattern"] == "denied: user namespace"
    assert said["change-user"] == "allowed: process"
    assert said["write-root"] == said["give-file-away"] == "allowed: mnt namespace"
    assert said["see-host-process"] == "denied: namespace"


def test_a_hardened_rootless_container_may_do_less(answers: Answers) -> None:
    allowed = {
        place: {id_ for id_, verdict in said.items() if not verdict.startswith("denied")}
        for place, said in answers[1].items()
    }
    assert allowed["hardened"] < allowed["rootless"]
