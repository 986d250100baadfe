"""Commands with a setting of their own, jobs that can be read, terminals, and a container that stands still."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from sandboxes import containers, kernel
from sandboxes.containers import ContainerSandbox, command, ending
from sandboxes.errors import RunTimeout, SandboxGone, StartFailed, Unavailable

pytestmark = pytest.mark.usefixtures("engine_ready")


@pytest.fixture(scope="module")
def box(engine_ready: None) -> Iterator[ContainerSandbox]:
    with containers.container(env={"COLOUR": "light blue"}) as made:
        yield made


def until(true: Callable[[], bool], deadline_s: float = 10.0) -> None:
    end = time.monotonic() + deadline_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_command_has_its_own_input_place_user_and_variables(box: ContainerSandbox) -> None:
    done = box.run(
        "cat; pwd; id -u; echo $COLOUR, $SIZE", stdin="two\nlines\n", cwd="/tmp", user="root", env={"SIZE": "3"}
    )
    assert done.stdout == "two\nlines\n/tmp\n0\nlight blue, 3\n"
    assert box.run("pwd; id -u; echo $SIZE; cat").stdout == "/\n1000\n\n", "that was for one command"


def test_input_may_be_longer_than_any_buffer_and_need_not_be_read(box: ContainerSandbox) -> None:
    data = bytes(range(256)) * 8192
    assert box.run("wc -c", stdin=data).stdout == f"{len(data)}\n"
    assert box.run("head -c 3", stdin="abcdef" * 100_000).stdout == "abc"
    assert box.run(["true"], stdin=data).exit_code == 0


def test_output_is_told_as_it_arrives(box: ContainerSandbox) -> None:
    told: list[tuple[str, str, float]] = []
    done = box.run(
        "echo one; sleep 0.5; echo two >&2", output=lambda stream, text: told.append((stream, text, time.monotonic()))
    )
    assert [(stream, text) for stream, text, _ in told] == [("stdout", "one\n"), ("stderr", "two\n")]
    assert told[1][2] - told[0][2] > 0.3
    assert (done.stdout, done.stderr) == ("one\n", "two\n")


def test_what_a_job_writes_can_be_read_while_it_runs(box: ContainerSandbox) -> None:
    job = box.start("echo first; sleep 0.4; echo second >&2; exit 3")
    assert job.exit_code is None and job.host_pid and kernel.process(job.host_pid).pid_inside == job.pid
    done = job.wait()
    assert (done.exit_code, done.stdout, done.stderr) == (3, "first\n", "second\n") and job.exit_code == 3
    assert not job.running()


def test_of_much_output_a_job_keeps_the_newest(box: ContainerSandbox) -> None:
    job = box.start("yes | head -c 3000000; echo end")
    done = job.wait(60)
    assert done.stdout.endswith("end\n") and len(done.stdout) < (1 << 20) + 100
    assert "earlier bytes" in done.stdout.splitlines()[0]


def test_a_job_reads_its_input_and_tells_its_output(box: ContainerSandbox) -> None:
    told: list[str] = []
    assert box.start("sort", stdin="b\na\n", output=lambda _, text: told.append(text)).wait().stdout == "a\nb\n"
    assert "".join(told) == "a\nb\n"


def test_a_job_took_as_long_as_it_ran_not_until_somebody_asked(box: ContainerSandbox) -> None:
    job = box.start("sleep 0.3")
    silent = box.start("exec >/dev/null 2>&1; sleep 0.6")
    until(lambda: not job.running() and not silent.running())
    time.sleep(3)
    assert 300 <= job.wait().wall_ms < 3000 and job.wait() == job.wait()
    assert 600 <= silent.wait().wall_ms < 3000, "the end of its output is not its end"


def test_an_error_of_the_reader_s_own_output_is_raised_by_wait(box: ContainerSandbox) -> None:
    def output(_: str, text: str) -> None:
        told.append(text)
        raise ValueError(f"no use for {text!r}")

    told: list[str] = []
    job = box.start("echo one; sleep 0.3; echo two", output=output)
    with pytest.raises(ValueError, match="no use for 'one"):
        job.wait()
    until(lambda: not job.running() and "two" in job.stdout)
    assert (job.stdout, job.exit_code, told) == ("one\ntwo\n", 0, ["one\n"])


def test_a_signal_reaches_the_job_and_waiting_has_a_deadline(box: ContainerSandbox) -> None:
    job = box.start("trap 'echo told; exit 4' TERM; echo ready; while :; do sleep 0.05; done")
    until(lambda: "ready" in job.stdout)
    with pytest.raises(RunTimeout, match="still runs"):
        job.wait(0.1)
    job.signal("TERM")
    assert (job.wait(5).exit_code, job.stdout) == (4, "ready\ntold\n")
    job.signal("TERM")


def test_a_program_that_does_not_exist_leaves_no_job(box: ContainerSandbox) -> None:
    with pytest.raises(StartFailed, match="no-such-program"):
        box.start(["no-such-program"])
    assert len(box.processes()) == 2


def test_a_terminal_is_one_for_the_program_in_it(box: ContainerSandbox) -> None:
    with box.terminal(rows=30, columns=100, env={"PS1": "> "}) as terminal:
        terminal.write("stty size; tty; echo $((6 * 7)) $TERM\r")
        seen = terminal.read_until("42 xterm\r\n")
        assert b"30 100\r\n/dev/pts/" in seen
        terminal.resize(50, 132)
        terminal.write("stty size\r")
        assert b"50 132" in terminal.read_until("50 132\r\n")
        terminal.write("sleep 4100\r")
        until(lambda: any(process.command == "sleep 4100" for process in box.processes()))
        terminal.write(b"\x03")
        terminal.read_until("^C")
        terminal.read_until("> ")
        terminal.write("echo interrupted: $?\r")
        terminal.read_until("interrupted: 130\r\n")
        with pytest.raises(RunTimeout, match="did not show"):
            terminal.read_until("never", timeout_s=0.2)
        terminal.write("exit 5\r")
        with pytest.raises(SandboxGone):
            terminal.read_until("never")
        assert terminal.exit_code == 5 and not terminal.running()


def test_closing_a_terminal_ends_what_runs_in_it(box: ContainerSandbox) -> None:
    terminal = box.terminal()
    terminal.write("sleep 4101 &\r")
    terminal.write("sleep 4102\r")
    terminal.read_until("sleep 4102\r\n")
    terminal.close()
    terminal.close()
    assert not [process.command for process in box.processes() if "410" in process.command]
    with pytest.raises(SandboxGone):
        terminal.write("echo\r")


WITHOUT_MARK = "env -i sleep 4201 & sleep 4202"


def left(box: ContainerSandbox) -> list[str]:
    return [process.command for process in box.processes() if "42" in process.command]


def test_what_dropped_its_environment_is_ended_too(box: ContainerSandbox) -> None:
    with pytest.raises(RunTimeout, match="killed with all its processes"):
        box.run(WITHOUT_MARK, timeout_s=0.7)
    assert left(box) == []
    with pytest.raises(RunTimeout, match="killed with all its processes"):
        box.run("(env -i sleep 4203 &); sleep 4208", timeout_s=0.7)
    assert left(box) == [], "its session gives it away when its parent has ended"
    job = box.start(WITHOUT_MARK)
    until(lambda: len(left(box)) == 2)
    job.stop()
    assert left(box) == []
    terminal = box.terminal()
    terminal.write("env -i sleep 4204 &\r")
    until(lambda: len(left(box)) == 1)
    terminal.close()
    assert left(box) == [] and box.run("echo alive").stdout == "alive\n"


def test_a_command_of_another_user_is_ended_without_its_container() -> None:
    with containers.container(profile="open") as opened:
        job = opened.start("su - reader -c 'sleep 4205; true'")
        until(lambda: left(opened) != [] and any(p.command == "sleep 4205" for p in opened.processes()))
        job.stop()
        assert left(opened) == [] and job.wait().exit_code == 137
        job = opened.start("exec env -i sleep 4206")
        until(lambda: "sleep 4206" in left(opened))
        job.signal("TERM")
        assert job.wait(5).exit_code == 143
        assert opened.run("echo alive").stdout == "alive\n"


def test_a_container_that_had_to_go_with_its_command_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "kill", lambda *_: False)
    monkeypatch.setattr(command.Command, "exit_code", lambda *_: None)
    with containers.container() as box:
        box.start("sleep 4207").stop()
        with pytest.raises(SandboxGone, match="could not be ended alone: sleep 4207"):
            box.run("true")


def test_a_paused_container_stands_still_and_says_so(box: ContainerSandbox) -> None:
    job = box.start("while :; do echo; sleep 0.02; done")
    box.pause()
    box.pause()
    assert box.facts().paused and kernel.is_frozen(box.cgroup())
    length = len(job.stdout)
    with pytest.raises(Unavailable, match="paused"):
        box.run("true")
    time.sleep(0.2)
    assert len(job.stdout) <= length + 1
    assert box.stats(0.1).cores == pytest.approx(0, abs=0.02)
    box.resume()
    box.resume()
    assert box.run("echo back").stdout == "back\n" and not box.facts().paused
    time.sleep(0.2)
    assert len(job.stdout) > length
    job.stop()


def test_a_job_stopped_while_paused_has_ended_when_it_resumes(box: ContainerSandbox) -> None:
    job = box.start("sleep 4103")
    box.pause()
    job.stop()
    box.resume()
    assert job.wait(5).exit_code == 137
    assert box.running()


def test_processes_have_a_number_inside_and_one_on_the_host(box: ContainerSandbox) -> None:
    job = box.start("sleep 4104")
    seen = {process.pid: process for process in box.processes()}
    assert job.host_pid in seen and seen[job.host_pid].pid_inside == job.pid
    inside = {int(line.split()[0]) for line in box.run("ps").stdout.splitlines()[1:]}
    assert {process.pid_inside for process in seen.values()} <= inside
    job.stop()


def test_stats_tell_cores_and_how_often_the_quota_ran_out(box: ContainerSandbox) -> None:
    box.limit(cpus=0.1)
    job = box.start("while :; do :; done")
    seen = box.stats(0.6)
    job.stop()
    box.limit(cpus=0.5)
    assert 0.02 < seen.cores <= 0.1 * 1.3
    assert seen.throttled is not None and seen.throttled > 0
    assert seen.interval_s >= 0.6 and seen.processes == 3 and seen.memory_bytes > 100_000
    assert seen.received_bytes_per_s == 0
