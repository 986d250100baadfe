"""A container made of kernel calls: it runs commands, holds its boundaries, and goes without a trace."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from sandboxes import bare, kernel
from sandboxes.bare import command
from sandboxes.bare.agent import agent
from sandboxes.bare.wanted import PARTS
from sandboxes.errors import RunTimeout, SandboxGone, StartFailed
from sandboxes.lifecycle import MARK, owner
from sandboxes.model import Place

pytestmark = pytest.mark.usefixtures("bare_ready")

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="limits, and namespaces without one for users, need root")
KINDS = {"mnt", "pid", "net", "uts", "ipc", "cgroup"}


@pytest.fixture(scope="module")
def box() -> bare.BareSandbox:
    with bare.container() as made:
        yield made


def left(box: bare.BareSandbox) -> list[str]:
    """Processes, cgroups and mounts of one container."""
    found = [f"process {pid}" for pid in command.found(command.carrying(f"{command.MARK}={box._mark}"))]
    found += [f"cgroup {path}" for path in Path("/sys/fs/cgroup").glob(f"**/bare-{box._mark}")]
    return found + [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if owner().id in line]


def test_a_command_s_streams_and_status_come_apart(box: bare.BareSandbox) -> None:
    seen = box.run("echo out; echo err >&2; exit 7")
    assert (seen.stdout, seen.stderr, seen.exit_code) == ("out\n", "err\n", 7)
    assert seen.place == box.name


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [(["no-such-program"], 127, "No such file"), (["/etc/passwd"], 126, "denied"), ("kill -9 $$", 137, "")],
)
def test_exit_status_is_what_a_shell_would_say(
    box: bare.BareSandbox, command: list[str] | str, code: int, said: str
) -> None:
    seen = box.run(command)
    assert seen.exit_code == code
    assert said in seen.stderr


def test_any_bytes_can_be_an_argument(box: bare.BareSandbox) -> None:
    assert box.run(["printf", "%s", "ü\udcff€"]).stdout == "ü\ufffd€"
    assert len(box.run(["echo", "x" * 130_000]).stdout) == 130_001


def test_an_answer_that_nobody_waited_for_is_not_taken_for_the_next_one(box: bare.BareSandbox) -> None:
    line = box._line
    line._asked += 1
    line._send(b'[%d, [["spawn", {"words": ["true"], "environment": {"PATH": "/bin"}}]]]\n' % line._asked)
    assert box.run("echo mine").stdout == "mine\n"


def test_a_command_reads_nothing_and_writes_where_it_likes(box: bare.BareSandbox) -> None:
    assert box.run("cat; echo one > /dev/stdout; echo two > /dev/stderr; echo three > /dev/null").stdout == "one\n"


def test_an_interrupted_pipe_ends_a_command(box: bare.BareSandbox) -> None:
    assert box.run("set -o pipefail; yes | head -1").stdout == "y\n"
    assert box.run("yes | head -1 > /dev/null; echo ${PIPESTATUS:-done}", timeout_s=5).exit_code == 0


def test_much_output_is_kept_up_to_a_bound(box: bare.BareSandbox) -> None:
    seen = box.run("head -c 17000000 /dev/zero")
    assert len(seen.stdout) < 17_000_000
    assert "more bytes were written and not kept" in seen.stdout


def test_it_is_a_place_like_any_other(box: bare.BareSandbox) -> None:
    place: Place = box
    assert place.kind == "bare"
    assert place.namespaces().kind == "bare"


def test_a_command_has_its_streams_and_no_line_to_its_owner(box: bare.BareSandbox) -> None:
    opened = box.run("ls -l /proc/self/fd").stdout
    assert "pipe:" in opened and "socket:" not in opened


def test_its_first_process_is_process_1_and_is_all_that_it_sees(box: bare.BareSandbox) -> None:
    numbers = [int(word) for word in box.run("ls /proc").stdout.split() if word.isdigit()]
    assert min(numbers) == 1
    assert len(numbers) <= 3
    assert box.facts().init.pid_inside == 1


def test_the_eight_namespaces_are_as_asked(box: bare.BareSandbox) -> None:
    theirs, ours = box.namespaces().ids, kernel.namespaces(os.getpid())
    apart = {kind for kind in ours if ours[kind] != theirs[kind]}
    assert apart == set(box.asked.kinds) == set(box.facts().own)
    inside = kernel.parse_links(box.run("ls -l /proc/self/ns").stdout.splitlines())
    assert inside == theirs


def test_it_is_hardened(box: bare.BareSandbox) -> None:
    facts = box.facts()
    assert facts.capabilities == ()
    assert facts.no_new_privileges
    assert facts.seccomp == "filter"
    status = box.run("cat /proc/self/status").stdout
    assert kernel.parse_capabilities(status) == ()
    assert "CapBnd:\t0000000000000000" in status
    for refused in ("mount -t tmpfs x /tmp", "unshare -U true", "hostname other", "mknod /tmp/x c 1 3"):
        assert box.run(refused).exit_code != 0, refused


def test_what_proc_and_sys_tell_of_the_machine_is_hidden(box: bare.BareSandbox) -> None:
    for path in ("/proc/keys", "/proc/timer_list"):
        if Path(path).exists():
            assert box.run(["cat", path]).stdout == ""
    assert box.run("ls /sys/firmware").stdout == ""
    assert "ro" in box.run("grep ' /proc/sys ' /proc/self/mountinfo").stdout.split()[5].split(",")


def test_nothing_of_this_notebook_s_environment_is_in_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "7f3a")
    with bare.container() as box:
        assert "7f3a" not in box.run("env; cat /proc/*/environ").stdout


def test_the_image_s_files_are_never_written_to(box: bare.BareSandbox) -> None:
    assert box.run("echo changed > /tmp/mine && cat /tmp/mine").stdout == "changed\n"
    with bare.container() as other:
        assert other.run("ls /tmp").stdout == ""


def test_read_only_is_read_only() -> None:
    with bare.container(read_only=True) as box:
        assert "Read-only" in box.run("touch /tmp/x").stderr


def test_the_loopback_interface_is_up_and_the_only_one(box: bare.BareSandbox) -> None:
    assert box.run("ip -o link | wc -l").stdout.strip() == "1"
    assert "inet 127.0.0.1/8" in box.run("ip addr").stdout


def test_a_late_command_is_ended_with_its_children(box: bare.BareSandbox) -> None:
    with pytest.raises(RunTimeout, match="killed with all processes of its session"):
        box.run("echo begun; sleep 1000 & setsid sleep 1000", timeout_s=0.3)
    assert box.run("ps -o stat,args | grep -v ^Z").stdout.count("sleep") == 0


@pytest.mark.parametrize("without", ["", pytest.param("pid", marks=root_only)])
def test_a_child_of_a_late_command_that_dropped_its_environment_is_ended_too(without: str) -> None:
    with bare.container(without=without or ()) as box:
        for late in ("env -i sleep 1003 & sleep 1004", "env -i sleep 1003 &"):
            with pytest.raises(RunTimeout):
                box.run(late, timeout_s=0.4)
            assert "sleep\x001003" not in _commands()


def test_who_left_session_and_environment_lives_until_the_container_is_closed() -> None:
    with bare.container() as box:
        with pytest.raises(RunTimeout):
            box.run("env -i setsid sleep 1005 & sleep 1006", timeout_s=0.4)
        assert _soon("sleep\x001005")
        assert "sleep\x001006" not in _commands()
    assert "sleep\x001005" not in _commands()


def test_only_the_late_command_is_ended(box: bare.BareSandbox) -> None:
    seen = []
    other = threading.Thread(target=lambda: seen.append(box.run("sleep 1; echo alive").stdout))
    other.start()
    with pytest.raises(RunTimeout):
        box.run("sleep 1000", timeout_s=0.3)
    other.join()
    assert seen == ["alive\n"]


def test_orphans_are_collected(box: bare.BareSandbox) -> None:
    box.run("for i in 1 2 3; do (sleep 0.05 >/dev/null 2>&1 &); done")
    time.sleep(0.3)
    assert " Z " not in box.run("ps -o pid,stat").stdout


def test_nothing_is_left_when_it_is_closed() -> None:
    box = bare.container()
    box.run("(setsid sleep 1000 >/dev/null 2>&1 &)")
    assert any(line.startswith("process") for line in left(box))
    box.close()
    box.close()
    assert left(box) == []
    with pytest.raises(SandboxGone, match="was closed"):
        box.run("true")


def test_a_container_whose_first_process_was_killed_says_so() -> None:
    with bare.container() as box:
        os.kill(box.pid, 9)
        with pytest.raises(SandboxGone, match="has ended"):
            box.run("sleep 5")
        with pytest.raises(SandboxGone):
            box.facts()
    assert left(box) == []


def test_many_containers_at_once_do_not_meet() -> None:
    boxes = [bare.container() for _ in range(5)]
    try:
        assert len({box.namespaces().ids["pid"] for box in boxes}) == 5
        assert [box.run("hostname").stdout.strip() for box in boxes] == [box.name for box in boxes]
    finally:
        for box in boxes:
            box.close()


def test_a_time_namespace_is_there_when_asked_for() -> None:
    with bare.container(time=True) as box:
        assert "time" in box.facts().own


@root_only
def test_users_of_a_user_namespace_are_nobody_outside() -> None:
    with bare.container(user=True) as box:
        assert box.run("cat /proc/self/uid_map").stdout.split() == ["0", "100000", "65536"]
        assert box.run("stat -c %u /bin/busybox /home/reader").stdout.split() == ["0", "1000"]
        assert Path(f"/proc/{box.pid}").stat().st_uid in (0, 101_000)
        assert "Uid:\t101000\t" in Path(f"/proc/{box.pid}/status").read_text()


@root_only
def test_limits_are_the_kernel_s() -> None:
    with bare.container(memory="32M", cpus=0.25, pids=20) as box:
        seen = box.sample()
        assert (seen.memory.limit_bytes, seen.cpu.quota_cores, seen.pids.limit) == (32 << 20, 0.25, 20)
        assert box.facts().cgroup is not None


@root_only
def test_a_memory_hog_is_killed_and_the_container_lives() -> None:
    with bare.container(memory="24M") as box:
        assert box.run("head -c 60000000 /dev/zero | tail -c 60000000 | wc -c; echo on").stdout.endswith("on\n")
        assert box.sample().memory.oom_kills >= 1
        assert box.run("echo alive").stdout == "alive\n"


@root_only
def test_at_its_limit_of_processes_a_command_is_refused_with_the_reason() -> None:
    with bare.container(pids=6) as box:
        busy = [threading.Thread(target=box.run, args=(["sleep", "1"],)) for _ in range(5)]
        for thread in busy:
            thread.start()
        time.sleep(0.4)
        with pytest.raises(StartFailed, match=r"pids\.max"):
            box.run("true")
        for thread in busy:
            thread.join()
        assert box.run("echo on").stdout == "on\n"


@root_only
@pytest.mark.parametrize("part", [part for part in PARTS if part not in ("user", "time")])
def test_each_part_that_is_left_out_shows_its_leak(part: str) -> None:
    found = {leak.boundary for leak in bare.leaks(without=part) if leak.leaks} - {"user", "time"}
    assert found == ({"mnt", "pid"} if part == "mnt" else {part})  # /proc is a mount: the old one shows the old pids


@root_only
def test_with_everything_there_is_no_leak() -> None:
    with bare.container(user=True, time=True) as box:
        assert [str(leak) for leak in bare.leaks(box) if leak.leaks] == []


@root_only
def test_with_nothing_everything_leaks_and_still_it_ends() -> None:
    with bare.container(without=[part for part in PARTS if part != "seccomp"]) as box:
        assert {leak.boundary for leak in bare.leaks(box) if leak.leaks} == set(PARTS) - {"seccomp"}
        box.run("(setsid sleep 1000 >/dev/null 2>&1 &)")
        box.run(["sh", "-c", "(env -i setsid sleep 1001 >/dev/null 2>&1 &)"])
        assert _soon("sleep\x001001")
    assert left(box) == []
    assert "sleep\x001001" not in _commands()


@root_only
def test_without_a_pid_namespace_closing_ends_all_its_processes() -> None:
    with bare.container(without="pid") as box:
        box.run("(env -i setsid sleep 1002 >/dev/null 2>&1 &)")
        assert _soon("sleep\x001002")
    assert left(box) == []
    assert "sleep\x001002" not in _commands()


@root_only
def test_without_uts_the_host_keeps_its_name() -> None:
    before = os.uname().nodename
    with bare.container(without="uts", name="other") as box:
        assert box.run("hostname").stdout.strip() == before == os.uname().nodename
        assert box.namespaces().ids["uts"] == kernel.namespaces(os.getpid())["uts"]


def test_this_process_stays_where_it_is(box: bare.BareSandbox) -> None:
    before, mounts = kernel.namespaces(os.getpid()), Path("/proc/self/mountinfo").read_text()
    with bare.container():
        assert kernel.namespaces(os.getpid()) == before
        assert Path("/proc/self/mountinfo").read_text() == mounts
        assert kernel.namespaces(agent().pid) == before


def test_its_processes_carry_the_owner_s_mark(box: bare.BareSandbox) -> None:
    mark = f"{MARK}={owner().id}".encode()
    assert mark in Path(f"/proc/{box.pid}/environ").read_bytes().split(b"\0")


def _soon(command: str) -> bool:
    """True once a process runs that command: a shell's background child takes a moment to become it."""
    deadline = time.monotonic() + 5
    while command not in _commands():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _commands() -> str:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text())
        except OSError:
            continue
    return "\n".join(found)
