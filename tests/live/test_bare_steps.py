"""A container one step at a time: each step tells what it changed, and none of them changes anything outside."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandboxes import bare, kernel
from sandboxes.bare import calls
from sandboxes.bare.plan import CALLS
from sandboxes.errors import BadRequest, Unavailable
from sandboxes.model import NAMESPACE_KINDS, Step

pytestmark = [
    pytest.mark.usefixtures("bare_ready"),
    pytest.mark.skipif(os.geteuid() != 0, reason="step by step without a user namespace needs root"),
]


@pytest.fixture
def box() -> Iterator[bare.ByHand]:
    with bare.steps("lesson") as made:
        yield made


def what(step: Step) -> set[str]:
    return {item.what for item in step.changed}


def after(step: Step, name: str) -> str | None:
    return next(item.after for item in step.changed if item.what == name)


def test_at_the_beginning_nothing_is_apart(box: bare.ByHand) -> None:
    assert box.namespaces().ids == kernel.namespaces(os.getpid())
    assert box.facts().own == ()
    assert box.run("cat /proc/sys/kernel/hostname").stdout.strip() == os.uname().nodename


@pytest.mark.parametrize("kind", [kind for kind in NAMESPACE_KINDS if kind != "pid"])
def test_unshare_replaces_one_namespace_and_says_by_which(box: bare.ByHand, kind: str) -> None:
    before = kernel.namespaces(box.pid)
    step = box.unshare(kind)
    name = "NS" if kind == "mnt" else kind.upper()
    assert step.calls == f"unshare(2) CLONE_NEW{name}"
    changed = next(item for item in step.changed if item.what == f"{kind} namespace")
    assert (changed.before, changed.after) == (str(before[kind]), str(box.namespaces().ids[kind]))
    assert {what for what in what(step) if what.endswith("namespace")} == {f"{kind} namespace"}
    assert step.ms > 0


def test_a_new_pid_namespace_begins_with_a_child(box: bare.ByHand) -> None:
    before = box.pid
    step = box.unshare("pid")
    assert box.pid != before
    assert after(step, "process (outside, inside)") == f"{box.pid} 1"


def test_proc_shows_the_old_processes_until_it_is_mounted_anew(box: bare.ByHand) -> None:
    box.unshare("pid", "mnt")
    sees_us = f"test -d /proc/{os.getpid()}"
    assert box.run(sees_us).exit_code == 0
    assert "mount at /proc" in what(box.proc())
    assert box.run(sees_us).exit_code == 1


def test_a_new_network_namespace_has_a_lonely_interface_that_is_down(box: bare.ByHand) -> None:
    assert after(box.unshare("net"), "interfaces") == "lo"
    assert after(box.loopback(), "own addresses") == "127.0.0.1"


def test_a_host_name_changes_inside_only(box: bare.ByHand) -> None:
    before = os.uname().nodename
    box.unshare("uts")
    assert what(step := box.sethostname("inside")) == {"host name"}
    assert after(step, "host name") == "inside"
    assert os.uname().nodename == before


def test_a_cgroup_tells_its_limits_and_where_it_is(box: bare.ByHand) -> None:
    step = box.cgroup(memory="32M", pids=20)
    values = {item.what: item.after for item in step.changed}
    limits = {values.get("memory.limit_in_bytes") or values.get("memory.max"), values.get("pids.max")}
    assert limits == {str(32 << 20), "20"}
    assert any(name.startswith("cgroup of") for name in values)
    assert box.sample().pids.limit == 20
    with pytest.raises(BadRequest, match="is there already"):
        box.cgroup()


def test_from_overlay_to_pivot_root_the_host_s_files_go_out_of_reach(box: bare.ByHand) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    box.unshare("mnt", "pid")
    assert any(name.endswith("/top/root") for name in what(box.overlay()))
    assert box.run("ls -d /sys/fs/cgroup").exit_code == 0
    for step in (box.proc, box.sysfs, box.mask, box.dev):
        assert what(step())
    root = box.pivot_root()
    assert (after(root, "mount at /") or "").startswith("overlay")
    assert box.facts().mounts < 30
    assert box.run("ls /sys/fs/cgroup").stdout == ""
    assert box.run("ls -d /boot").exit_code != 0
    assert int(box.run("ps | wc -l").stdout) <= 5
    assert Path("/proc/self/mountinfo").read_text() == mounts


def test_capabilities_go_for_good(box: bare.ByHand) -> None:
    step = box.drop_capabilities(keep=["NET_RAW"])
    assert after(step, "capabilities") == "1: net_raw"
    assert after(step, "capabilities that can ever be had") == "1"
    assert box.facts().capabilities == ("CAP_NET_RAW",)
    assert after(box.no_new_privs(), "no new privileges") == "True"


def test_another_user_keeps_the_capabilities_until_they_are_dropped(box: bare.ByHand) -> None:
    assert after(box.setuid(1000), "user") == "1000"
    assert len(box.facts().capabilities) > 30
    assert box.run("grep CapEff /proc/self/status").stdout.split()[1].strip("0") == ""  # execve(2) by no root
    box.drop_capabilities()
    assert box.facts().capabilities == ()


def test_a_filter_refuses_what_it_names_and_no_more(box: bare.ByHand) -> None:
    box.unshare("mnt")
    assert box.run("mount -t tmpfs x /mnt").exit_code == 0
    assert after(box.seccomp(["mount"]), "seccomp") == "filter"
    assert box.run("mount -t tmpfs x /mnt").exit_code != 0
    assert box.run("unshare -u true").exit_code == 0


def test_users_are_mapped_by_somebody_outside(box: bare.ByHand) -> None:
    box.unshare("user")
    step = box.map_users()
    assert after(step, "users (inside, outside, count)") == "0 100000 65536"
    assert box.run("id -u").stdout.strip() == "0"
    with pytest.raises(Unavailable, match="Operation not permitted"):
        box.map_users()


@pytest.mark.parametrize(
    "step",
    [
        lambda box: box.sethostname("other"),
        lambda box: box.loopback(),
        lambda box: box.overlay(),
        lambda box: box.proc(),
        lambda box: box.sysfs(),
        lambda box: box.dev(),
        lambda box: box.mask(),
        lambda box: box.map_users(),
        lambda box: box.pivot_root(),
        lambda box: box.unshare(),
        lambda box: box.unshare("moon"),
        lambda box: box.drop_capabilities(keep=["EVERYTHING"]),
        lambda box: box.seccomp(["no_such_call"]),
        lambda box: box.setuid(-1),
    ],
)
def test_a_step_that_would_change_the_host_is_refused(box: bare.ByHand, step: Callable[[bare.ByHand], Step]) -> None:
    before = box.steps
    with pytest.raises(BadRequest):
        step(box)
    assert box.steps == before
    assert box.run("true").exit_code == 0


def test_what_the_kernel_refuses_is_told_in_its_words_and_the_process_lives(box: bare.ByHand) -> None:
    box.drop_capabilities()
    with pytest.raises(Unavailable, match="Operation not permitted"):
        box.unshare("uts")
    assert box.run("echo alive").stdout == "alive\n"


def test_steps_can_be_read_afterwards(box: bare.ByHand) -> None:
    done = [box.unshare("uts"), box.sethostname("x")]
    assert box.facts().steps[-2:] == tuple(done)


def test_every_step_is_one_short_function_to_read() -> None:
    for name in CALLS:
        source = inspect.getsource(getattr(calls, name))
        assert '"""' in source
        assert len(source.splitlines()) <= 20, name
