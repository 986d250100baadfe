"""What may be asked of a container made by hand, and the plan that comes of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandboxes.bare import plan, wanted
from sandboxes.bare.plan import Wanted
from sandboxes.errors import BadRequest, LimitIgnored
from sandboxes.kernel import Cgroup
from sandboxes.model import Limits

NONE = Limits(None, None, None)


def asked(privileged: bool = True, **left_out: object) -> Wanted:
    parts = frozenset(wanted.PARTS) - {"time", "user"} if privileged else frozenset(wanted.PARTS) - {"time"}
    return Wanted("box", parts - set(left_out), NONE, False, privileged)


def ask(without: object = (), **given: object) -> Wanted:
    usual: dict[str, object] = {"memory": "default", "cpus": "default", "pids": "default", "user": None}
    usual |= {"time": False, "read_only": False, "name": None}
    return wanted.wanted(without, **{**usual, **given})  # type: ignore[arg-type]


def as_user(monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)


def test_root_gets_all_but_the_user_and_time_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, 0)
    made = ask()
    assert made.kinds == ("mnt", "pid", "net", "uts", "ipc", "cgroup")
    assert (made.uid, made.first_uid) == (wanted.READER, 0)
    assert made.limits == Limits(128 << 20, 0.5, 64)


def test_anybody_else_gets_a_user_namespace_and_no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, 1000)
    made = ask()
    assert "user" in made.kinds
    assert made.uid == 0
    assert made.limits == NONE


def test_a_limit_that_would_not_hold_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, 1000)
    for given in ({"memory": "64M"}, {"cpus": 0.5}, {"pids": 20}):
        with pytest.raises(LimitIgnored, match="user 1000 may not make cgroups"):
            ask(**given)


def test_without_a_user_namespace_nobody_but_root_can_make_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, 1000)
    for given in ({"user": False}, {"without": "user"}):
        with pytest.raises(BadRequest):
            ask(**given)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("without", {"without": "kernel"}),
        ("without", {"without": ("mnt", "")}),
        ("memory", {"memory": "1K"}),
        ("memory", {"memory": "lots"}),
        ("cpus", {"cpus": 0}),
        ("cpus", {"cpus": float("nan")}),
        ("pids", {"pids": 1}),
        ("pids", {"pids": True}),
        ("pids", {"pids": 20, "without": "cgroup"}),
        ("user", {"user": 1}),
        ("time", {"time": "yes"}),
        ("read_only", {"read_only": None}),
        ("name", {"name": "a b"}),
        ("name", {"name": ""}),
    ],
)
def test_what_cannot_work_is_named(monkeypatch: pytest.MonkeyPatch, field: str, given: dict[str, object]) -> None:
    as_user(monkeypatch, 0)
    with pytest.raises(BadRequest) as caught:
        ask(**given)
    assert caught.value.field == field


def test_none_asks_for_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, 0)
    assert ask(memory=None, cpus=None, pids=None).limits == NONE


def test_nothing_is_mounted_without_a_mount_namespace() -> None:
    names = [name for name, _ in plan.rest(asked(mnt=True), "lower")]
    assert not {"overlay", "proc", "sysfs", "dev", "pivot_root"} & set(names)
    assert "sethostname" in names


def test_the_host_is_not_renamed_without_a_uts_namespace() -> None:
    assert "sethostname" not in [name for name, _ in plan.rest(asked(uts=True), "lower")]


def test_the_host_s_interfaces_are_left_alone_without_a_network_namespace() -> None:
    assert "loopback" not in [name for name, _ in plan.rest(asked(net=True), "lower")]


def test_rights_are_given_up_last_and_the_filter_after_them() -> None:
    names = [name for name, _ in plan.rest(asked(), "lower")]
    assert names[-4:] == ["setuid", "no_new_privs", "drop_capabilities", "seccomp"]
    assert names.index("proc") < names.index("pivot_root")


def test_what_a_user_namespace_does_not_own_is_bound_not_mounted() -> None:
    requests = dict(plan.files(asked(privileged=False, pid=True, net=True), "lower"))
    assert requests["proc"]["bind"] is True
    assert "sysfs" not in requests


def test_a_cgroup_of_version_1_is_joined_by_the_thread_and_of_version_2_by_the_process() -> None:
    cgroup = Cgroup({"cpu": Path("/a"), "cpuacct": Path("/a"), "pids": Path("/b")}, Path("/c"))
    assert plan.joining(cgroup) == [("join_cgroup", {"files": ["/a/tasks", "/b/tasks", "/c/cgroup.procs"]})]
    assert plan.joining(None) == []
