"""A real container: commands, background jobs, what the kernel says of it, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandboxes import containers, kernel
from sandboxes.containers import ContainerSandbox, ending
from sandboxes.errors import BadRequest, RunTimeout, SandboxGone, StartFailed

pytestmark = pytest.mark.usefixtures("engine_ready")


@pytest.fixture(scope="module")
def box(engine_ready: None) -> Iterator[ContainerSandbox]:
    with containers.container(name="tested") as made:
        yield made


def names(box: ContainerSandbox) -> set[str]:
    return {process.command for process in box.facts().processes}


def test_a_text_runs_in_a_shell_and_a_list_as_it_is(box: ContainerSandbox) -> None:
    assert box.run("echo $((6 * 7))").stdout == "42\n"
    assert box.run(["echo", "$((6 * 7))"]).stdout == "$((6 * 7))\n"


def test_status_and_both_streams_come_apart(box: ContainerSandbox) -> None:
    done = box.run("echo out; echo err >&2; exit 7")
    assert (done.exit_code, done.stdout, done.stderr, done.place) == (7, "out\n", "err\n", "tested")
    assert 0 < done.wall_ms < 10_000


def test_the_first_bytes_of_output_are_never_lost(box: ContainerSandbox) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda number: box.run(["echo", str(number)]).stdout, range(40)))
    assert done == [f"{number}\n" for number in range(40)]


def test_a_program_that_does_not_exist_is_told_on_stderr(box: ContainerSandbox) -> None:
    done = box.run(["no-such-program"])
    assert done.exit_code in (126, 127)
    assert "no-such-program" in done.stderr and done.stdout == ""


def test_sixteen_mebibytes_of_output_are_kept_and_the_cut_is_told(box: ContainerSandbox) -> None:
    done = box.run("yes | head -c 20000000")
    assert done.exit_code == 0
    assert len(done.stdout) < (16 << 20) + 100
    assert f"{20_000_000 - (16 << 20):,} more bytes" in done.stdout


def test_a_deadline_ends_the_command_and_all_that_it_started(box: ContainerSandbox) -> None:
    begun = time.monotonic()
    with pytest.raises(RunTimeout, match=r"within 0\.7 s") as caught:
        box.run("echo begun; setsid sleep 4001 & sleep 4002", timeout_s=0.7)
    assert time.monotonic() - begun < 60
    assert "begun" in caught.value.seen
    assert not {name for name in names(box) if "400" in name}
    assert box.run("echo alive").stdout == "alive\n"


def test_a_deadline_ends_it_also_when_the_host_may_not_kill_it(
    box: ContainerSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> bool:
        raise PermissionError

    monkeypatch.setattr(ending, "kill", forbidden)
    with pytest.raises(RunTimeout):
        box.run("setsid sleep 4003 & sleep 4004", timeout_s=0.7)
    assert not {name for name in names(box) if "400" in name}


def test_a_command_that_never_stops_forking_is_ended(box: ContainerSandbox) -> None:
    with pytest.raises(RunTimeout):
        box.run("while :; do (while :; do :; done) & done", timeout_s=1)
    assert len(box.facts().processes) == 2


def test_an_interrupt_by_the_reader_ends_the_command(box: ContainerSandbox) -> None:
    timer = threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        box.run("sleep 4005")
    timer.join()
    assert not {name for name in names(box) if "400" in name}


@pytest.mark.parametrize(
    "bad", ["", "  ", [], ["a\0b"], "x" * 10_000_000, 7, None, ["a", 1]], ids=lambda b: repr(b)[:12]
)
def test_a_bad_command_is_refused(box: ContainerSandbox, bad: object) -> None:
    for call in (box.run, box.start):
        with pytest.raises(BadRequest) as caught:
            call(bad)  # type: ignore[arg-type]
        assert caught.value.field == "command"


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf"), "5", None])
def test_a_bad_deadline_is_refused(box: ContainerSandbox, bad: object) -> None:
    with pytest.raises(BadRequest) as caught:
        box.run("true", timeout_s=bad)  # type: ignore[arg-type]
    assert caught.value.field == "timeout_s"


def test_a_job_runs_until_it_is_stopped(box: ContainerSandbox) -> None:
    job = box.start("sleep 4006 & sleep 4007")
    assert job.running() and job.pid
    assert "400" in box.run(["cat", f"/proc/{job.pid}/cmdline"]).stdout
    job.stop()
    assert not job.running()
    assert not {name for name in names(box) if "400" in name}
    job.stop()


def test_a_job_that_ends_by_itself_is_not_running(box: ContainerSandbox) -> None:
    job = box.start(["true"])
    until = time.monotonic() + 5
    while job.running() and time.monotonic() < until:
        time.sleep(0.01)
    assert not job.running()


def test_a_job_with_no_program_is_refused(box: ContainerSandbox) -> None:
    with pytest.raises(StartFailed, match="no-such-program"):
        box.start(["no-such-program"])


def test_the_container_has_our_kernel_and_its_own_process_1(box: ContainerSandbox) -> None:
    facts = box.facts()
    assert box.run("uname -r").stdout.strip() == os.uname().release == facts.host.kernel
    assert facts.init.pid_inside == 1 and facts.init.pid > 1
    assert Path(f"/proc/{facts.init.pid}").is_dir(), "the pid is the host's"
    assert box.run("cat /proc/sys/kernel/random/boot_id").stdout.strip() == facts.host.boot_id


def test_facts_agree_with_what_the_container_itself_reads(box: ContainerSandbox) -> None:
    facts = box.facts()
    status = box.run("cat /proc/1/status").stdout
    assert kernel.parse_capabilities(status) == facts.capabilities
    assert kernel.parse_seccomp(status) == facts.seccomp
    assert kernel.parse_no_new_privileges(status) == facts.no_new_privileges
    assert (facts.name, facts.profile, facts.limits) == ("tested", "hardened", box.limits)
    assert facts.start_ms == box.start_ms > 0


def test_namespaces_are_its_own_but_for_user_and_time(box: ContainerSandbox) -> None:
    seen, ours = box.namespaces(), kernel.namespaces(os.getpid())
    assert seen.boot_id == kernel.boot_id()
    assert {kind for kind in ours if ours[kind] == seen.ids[kind]} <= {"user", "time"}
    assert kernel.parse_links(box.run("ls -l /proc/1/ns").stdout.splitlines()) == dict(seen.ids)


def test_two_containers_share_no_namespace_but_user_and_time(box: ContainerSandbox) -> None:
    with containers.container() as other:
        mine, theirs = box.namespaces().ids, other.namespaces().ids
    assert {kind for kind in mine if mine[kind] == theirs[kind]} <= {"user", "time"}


def test_it_works_in_a_running_event_loop_and_from_threads(box: ContainerSandbox) -> None:
    async def cell() -> str:
        return box.run("echo loop").stdout

    assert asyncio.run(cell()) == "loop\n"
    with ThreadPoolExecutor(4) as pool:
        boxes = list(pool.map(lambda _: containers.container(), range(4)))
        try:
            said = list(pool.map(lambda made: made.run("hostname").stdout.strip(), boxes))
        finally:
            list(pool.map(ContainerSandbox.close, boxes))
    assert said == [made.name for made in boxes]


def test_a_closed_container_is_gone_and_says_so() -> None:
    made = containers.container()
    pids = [process.pid for process in made.facts().processes]
    folder = made.cgroup().folder
    made.close()
    made.close()
    assert not folder.exists()
    assert not [
        pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_text()
    ]
    for call in (made.facts, made.sample, made.namespaces, lambda: made.run("true"), lambda: made.start("true")):
        with pytest.raises(SandboxGone, match="closed"):
            call()
    assert not made.running()


def test_closing_is_quick() -> None:
    made = containers.container()
    made.start("trap '' TERM; sleep 4008")
    begun = time.monotonic()
    made.close()
    assert time.monotonic() - begun < 8, "an engine waits 10 s for a program to heed SIGTERM"


def test_leaving_with_closes_it_also_on_an_error() -> None:
    with pytest.raises(ZeroDivisionError), containers.container() as made:
        raise ZeroDivisionError
    assert not made.running()


def test_a_container_whose_first_process_dies_tells_why() -> None:
    with containers.container(name="dying") as made:
        os.kill(made.facts().init.pid, signal.SIGKILL)
        until = time.monotonic() + 5
        while made.running() and time.monotonic() < until:
            time.sleep(0.02)
        for call in (lambda: made.run("true"), made.sample, made.facts):
            with pytest.raises(SandboxGone, match="exit status 137"):
                call()


def test_an_image_that_the_engine_lacks_is_named_with_the_way_to_get_it() -> None:
    with pytest.raises(StartFailed, match="docker pull no-such-image"):
        containers.container("no-such-image:1")


def test_an_image_of_the_engine_can_be_used_by_name(box: ContainerSandbox) -> None:
    with containers.container(box.image) as made:
        assert made.run("id -un").stdout == "reader\n"


def test_members_of_a_network_see_each_other_and_nobody_else() -> None:
    with (
        containers.container(network=True, name="web", profile="open") as web,
        containers.container(network=True, name="db", profile="open") as db,
        containers.container() as alone,
    ):
        address = db.run("hostname -i").stdout.strip()
        assert web.run(["ping", "-c", "1", "-W", "2", address]).exit_code == 0
        assert alone.run("ip -o link").stdout.count("\n") == 1, "only the loopback device"
        assert web.run(["ping", "-c", "1", "-W", "1", "192.0.2.1"]).exit_code != 0
