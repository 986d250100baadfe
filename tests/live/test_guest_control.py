"""What a reader does with a running guest: input, files, users, a terminal; and the same with the agent for sh."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes.errors import BadRequest, RunTimeout, SandboxGone, Unavailable
from sandboxes.guests import GuestSandbox, guest, initramfs, system
from sandboxes.guests.terminal import Terminal

pytestmark = pytest.mark.usefixtures("guest_ready")


@pytest.fixture(scope="module")
def vm(guest_ready: None) -> Iterator[GuestSandbox]:
    with guest(name="control") as running:
        yield running


@pytest.fixture
def terminal(vm: GuestSandbox) -> Iterator[Terminal]:
    with vm.terminal() as opened:
        opened.read_until("# ")
        yield opened


def until_runs(vm: GuestSandbox, command: str) -> None:
    until = time.monotonic() + 60
    while f" {command}\n" not in vm.run("ps").stdout:
        assert time.monotonic() < until, f"{command} does not run"
        time.sleep(0.1)


def test_input_arrives_whole_and_ends(vm: GuestSandbox) -> None:
    data = bytes(range(256)) * 400
    assert vm.run("md5sum; echo over", stdin=data).stdout.endswith("over\n")
    assert vm.run("wc -c", stdin=data).stdout.strip() == str(len(data))
    assert vm.run("cat", stdin="").stdout == ""


def test_input_that_nobody_reads_does_not_hold_the_command_up(vm: GuestSandbox) -> None:
    assert vm.run("exec 0<&-; sleep 0.3; echo fine", stdin=bytes(300_000)).stdout == "fine\n"


def test_place_and_variables_are_those_of_one_command(vm: GuestSandbox) -> None:
    assert vm.run('pwd; echo "$A"', cwd="/tmp", env={"A": "it's\n\\x"}).stdout == "/tmp\nit's\n\\x\n"
    assert vm.run("pwd; echo $A$HOME").stdout == "/\n/root\n"
    seen = vm.run("pwd", cwd="/nowhere")
    assert seen.exit_code == 126
    assert "folder cannot be entered" in seen.stderr


@pytest.mark.parametrize(
    ("user", "ids"), [("nobody", "65534 65534"), ("1000", "1000 0"), ("7:nogroup", "7 65534"), ("root", "0 0")]
)
def test_a_command_runs_as_who_was_named(vm: GuestSandbox, user: str, ids: str) -> None:
    assert vm.run("echo $(id -u) $(id -g) $(id -G)", user=user).stdout == f"{ids} {ids.split()[1]}\n"


def test_a_user_that_is_not_there_is_named_in_the_error(vm: GuestSandbox) -> None:
    with pytest.raises(BadRequest, match="one of root, nobody"):
        vm.run("id", user="reader")


END_THE_CHILD = """
until [ -e /tmp/go ]; do sleep 0.05; done
rm /tmp/go; sleep 0.2
pidof agent
kill -$1 $(pidof agent | cut -d " " -f 1)
"""


@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_the_child_that_waits_for_the_next_command_may_be_ended_by_anybody(vm: GuestSandbox, signal: str) -> None:
    job = vm.start(["sh", "-c", END_THE_CHILD, "sh", signal])
    vm.run("touch /tmp/go")
    child, agent = job.wait(timeout_s=60).stdout.split()
    assert vm.run("echo another").stdout == "another\n"
    assert vm.run("pidof agent").stdout.split() == [agent]
    assert vm.run(f"kill -0 {child}").exit_code != 0


def test_the_child_that_waits_keeps_no_other_commands_streams_open(vm: GuestSandbox) -> None:
    job = vm.start("cat; echo end", stdin=b"given")
    assert vm.run("true").exit_code == 0, "a child is made while the job runs"
    assert job.wait(timeout_s=60).stdout == "givenend\n"


def test_a_command_is_not_protected_from_the_out_of_memory_killer_as_its_agent_is(vm: GuestSandbox) -> None:
    own, agent = vm.run("cat /proc/self/oom_score_adj /proc/$(pidof agent)/oom_score_adj").stdout.split()
    assert (own, agent) == ("0", "-1000")


def test_files_go_in_and_come_out(vm: GuestSandbox, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/program").write_text("#!/bin/sh\necho ran $1\n")
    (tmp_path / "deep/program").chmod(0o755)
    (tmp_path / "data").write_bytes(bytes(range(256)) * 300)
    vm.put("/root/in", tmp_path)
    assert vm.run(["/root/in/deep/program", "it"]).stdout == "ran it\n"
    assert vm.get("/root/in/data") == bytes(range(256)) * 300
    vm.put("/tmp/text", "é\n")
    assert vm.get("/tmp/text") == "é\n".encode()


def test_what_cannot_be_read_or_written_is_told_in_the_guests_words(vm: GuestSandbox) -> None:
    for path, seen in (("/nothing", "No such file"), ("/tmp", "is a folder")):
        with pytest.raises(BadRequest, match=seen):
            vm.get(path)
    with pytest.raises(BadRequest, match="more than 10 bytes"):
        vm.get("/bin/busybox", most_bytes=10)
    with pytest.raises(BadRequest, match="cannot be written"):
        vm.put("/proc/nothing", "x")


def test_a_terminal_runs_a_shell_with_job_control(vm: GuestSandbox, terminal: Terminal) -> None:
    terminal.write("tty; sleep 600\r")
    terminal.read_until("/dev/ttyS0")
    until_runs(vm, "sleep 600")
    terminal.write("\x1a")
    terminal.read_until("Stopped")
    terminal.write('jobs; kill %1; echo "do"ne\r')
    assert b"Stopped" in terminal.read_until("done\r\n")


def test_an_interrupt_ends_what_runs_in_the_terminal_and_not_its_shell(vm: GuestSandbox, terminal: Terminal) -> None:
    terminal.write('echo go"ing"; sleep 601\r')
    terminal.read_until("going\r\n")
    until_runs(vm, "sleep 601")
    terminal.write("\x03")
    terminal.write('echo stat"us" $?\r')
    terminal.read_until("status 130")


def test_a_terminal_has_the_size_that_it_is_given(terminal: Terminal) -> None:
    terminal.write("stty size\r")
    terminal.read_until("24 80")
    terminal.write('sh -c \'trap "stty size" WINCH; echo re"a"dy; while true; do sleep 0.1; done\'\r')
    terminal.read_until("ready\r\n")
    terminal.resize(50, 132)
    terminal.read_until("50 132")


def test_the_console_shows_what_the_terminal_shows_and_there_is_one(vm: GuestSandbox, terminal: Terminal) -> None:
    terminal.write('echo on "the" console\r')
    terminal.read_until("on the console")
    assert "on the console" in vm.console()
    with pytest.raises(Unavailable, match="a terminal is open"):
        vm.terminal()


def test_a_program_that_ends_ends_its_terminal(vm: GuestSandbox) -> None:
    opened = vm.terminal(["sh", "-c", "echo last words; exit 3"])
    assert b"last words" in opened.read_until("words")
    with pytest.raises(SandboxGone):
        opened.read_until("more")
    assert (opened.running(), opened.exit_code) == (False, 3)
    opened.close()


def test_a_closed_terminal_leaves_nothing_and_the_next_one_is_sane(vm: GuestSandbox) -> None:
    first = vm.terminal()
    first.read_until("# ")
    first.write("sleep 654 & stty raw -echo; sleep 655\r")
    until_runs(vm, "sleep 655")
    first.close()
    assert "sleep 65" not in vm.run("ps").stdout
    with pytest.raises(SandboxGone):
        first.write("x")
    with vm.terminal() as second:
        second.read_until("# ")
        second.write('echo sa"ne"\r')
        second.read_until("sane\r\n")


def test_twice_as_many_commands_as_the_agent_has_room_for_are_no_harm(vm: GuestSandbox) -> None:
    seen: list[int] = []

    def ask() -> None:
        seen.append(vm.run("sleep 2", timeout_s=60).exit_code)

    threads = [threading.Thread(target=ask) for _ in range(120)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) <= {0, 126}
    assert seen.count(0) >= 100
    assert vm.run("echo room").stdout == "room\n"


def test_an_identity_is_given_in_one_request(vm: GuestSandbox) -> None:
    channel = vm._emulator.channel
    before = vm.run("head -c 16 /dev/urandom | md5sum").stdout
    channel.identify("renamed", "0123456789abcdef" * 2, b"\x01\xfe" * 32, (1 << 30) * 1_000_000_000)
    name, identity, seconds = vm.run("hostname; cat /etc/machine-id; echo; date +%s").stdout.split()
    assert (name, identity) == ("renamed", "0123456789abcdef" * 2)
    assert 0 <= int(seconds) - (1 << 30) < 60
    assert vm.run("head -c 16 /dev/urandom | md5sum").stdout != before
    channel.identify("control", "0" * 32, b"seed", time.time_ns())


@pytest.fixture(scope="module")
def simple(guest_ready: None) -> Iterator[GuestSandbox]:
    """A guest with the agent for busybox sh."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(initramfs, "agent_program", initramfs.shell_agent)
        patch.setattr(system, "_archives", {})
        running = guest(name="simple", accelerator="tcg", cold=True)  # who it is cannot be told to this agent
    with running:
        yield running


def test_the_agent_for_sh_runs_commands_the_same_way(simple: GuestSandbox) -> None:
    seen = simple.run("echo out; echo err >&2; pwd; echo $A; exit 3", cwd="/tmp", env={"A": "it's"})
    assert (seen.exit_code, seen.stdout, seen.stderr) == (3, "out\n/tmp\nit's\n", "err\n")
    assert simple.run(["no-such-program"]).exit_code == 127
    word = "\n'\\\r é" * 3000
    assert simple.run(["printf", "%s|", word, ""]).stdout == f"{word}||"
    assert "No space left" in simple.run("yes", timeout_s=60).stderr


def test_the_agent_for_sh_has_jobs_and_deadlines(simple: GuestSandbox) -> None:
    job = simple.start("trap 'echo heard; exit 4' TERM; sleep 0.1; sleep 444 & while true; do sleep 0.1; done")
    until_runs(simple, "sleep 444")
    job.signal("TERM")
    assert (job.wait(60).exit_code, job.stdout) == (4, "heard\n")
    with pytest.raises(RunTimeout, match="it was killed"):
        simple.run("sleep 333 & sleep 333", timeout_s=0.5)
    assert "sleep 333" not in simple.run("ps").stdout


def test_the_agent_for_sh_has_a_terminal(simple: GuestSandbox) -> None:
    with simple.terminal() as opened:
        opened.read_until("# ")
        opened.write("tty\r")
        opened.read_until("/dev/ttyS0")


def test_what_the_agent_for_sh_cannot_do_is_told(simple: GuestSandbox) -> None:
    for ask in (
        lambda: simple.run("cat", stdin="x"),
        lambda: simple.run("id", user="nobody"),
        lambda: simple.put("/tmp/x", "x"),
        lambda: simple._emulator.channel.identify("a", "0" * 32, b"x", 0),
    ):
        with pytest.raises(Unavailable, match="busybox sh"):
            ask()


def test_the_agent_for_sh_comes_back_when_it_is_killed(simple: GuestSandbox) -> None:
    with contextlib.suppress(SandboxGone):
        simple.run("kill -9 $(ps -o pid,ppid,args | awk '$2 == 1 && /agent/ {print $1}'); sleep 20")
    assert simple.run("echo back").stdout == "back\n"
