"""A guest is a machine of its own: it boots, answers, shows what it is made of, and goes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes import kernel
from sandboxes.errors import AcceleratorUnusable, RunTimeout, SandboxGone, StartFailed
from sandboxes.guests import GuestSandbox, choose_accelerator, guest, needed_kernel, stock_boot_ms
from tests.machine import Photograph, settled

pytestmark = pytest.mark.usefixtures("guest_ready")


@pytest.fixture(scope="module")
def vm(guest_ready: None) -> Iterator[GuestSandbox]:
    with guest(name="shared") as running:
        yield running


def test_status_and_both_streams_come_apart(vm: GuestSandbox) -> None:
    seen = vm.run("echo out; echo err >&2; exit 3")
    assert (seen.exit_code, seen.stdout, seen.stderr, seen.place) == (3, "out\n", "err\n", "shared")
    assert 0 < seen.wall_ms < 10_000


def test_a_guest_runs_another_kernel_than_its_host(vm: GuestSandbox) -> None:
    assert vm.run("uname -r").stdout.strip() != kernel.host().kernel
    assert vm.run("hostname").stdout == "shared\n"
    assert vm.namespaces().boot_id != kernel.boot_id()


@pytest.mark.parametrize(
    ("command", "status"),
    [("exit 255", 255), ("kill -9 $$", 137), ("kill -15 $$", 143), (["false"], 1), (["no-such-program"], 127)],
)
def test_exit_status_is_the_shells(vm: GuestSandbox, command: str | list[str], status: int) -> None:
    assert vm.run(command).exit_code == status


@pytest.mark.parametrize(
    "word", ["it's", '"', "\\n", "a\nb\n", "$HOME `id` $(id)", "é 漢字 🐧", "\x01\x1b[31m\t\r", "-n"]
)
def test_words_arrive_as_they_are(vm: GuestSandbox, word: str) -> None:
    assert vm.run(["printf", "%s|", word, "", "end"]).stdout == f"{word}||end|"


def test_the_longest_command_that_a_kernel_takes_arrives_whole(vm: GuestSandbox) -> None:
    text = "".join(f"{number:07d}'" for number in range(16_000))
    assert (
        vm.run(["sh", "-c", 'printf %s "$1" | md5sum', "sh", text]).stdout[:32]
        == vm.run("seq 0 15999 | awk '{printf \"%07d\\047\", $1}' | md5sum").stdout[:32]
    )


def test_output_that_is_no_text_is_shown_with_replacements(vm: GuestSandbox) -> None:
    assert vm.run(["printf", r"a\0b\377c"]).stdout == "a\0b\ufffdc"


def test_output_is_told_as_it_arrives(vm: GuestSandbox) -> None:
    """The command ends only because it was heard while it ran."""
    told: list[tuple[str, str]] = []

    def hear(stream: str, text: str) -> None:
        told.append((stream, text))
        vm.run("touch /tmp/heard")

    seen = vm.run("echo one; while [ ! -e /tmp/heard ]; do sleep 0.1; done; echo two >&2", output=hear)
    assert told == [("stdout", "one\n"), ("stderr", "two\n")]
    assert (seen.stdout, seen.stderr) == ("one\n", "two\n")


def test_output_of_any_length_arrives_whole(vm: GuestSandbox) -> None:
    seen = vm.run("seq 100000")
    assert seen.stdout == "".join(f"{number}\n" for number in range(1, 100_001))


def test_endless_output_ends_at_the_deadline(vm: GuestSandbox) -> None:
    with pytest.raises(RunTimeout, match="it was killed"):
        vm.run("yes", timeout_s=1)
    assert vm.run("echo fine; ps | grep -c '[y]es'").stdout == "fine\n0\n"


def test_who_does_not_take_output_makes_the_command_wait(vm: GuestSandbox) -> None:
    slow = vm.start("head -c 1000000 /dev/zero; echo over >&2", output=lambda stream, text: time.sleep(0.3))
    assert "over" not in slow.stderr
    assert vm.run("echo beside it").stdout == "beside it\n"
    slow.stop()


def test_a_command_ends_with_its_process_whatever_it_left_running(vm: GuestSandbox) -> None:
    seen = vm.run("sleep 1000 & echo started $!", timeout_s=10)
    assert seen.stdout.startswith("started ")
    assert vm.run(["kill", "-9", seen.stdout.split()[1]]).exit_code == 0


def test_what_a_command_left_running_may_go_on_writing(vm: GuestSandbox) -> None:
    vm.run("(for n in $(seq 20); do sleep 0.1; echo $n || exit; head -c 9999 /dev/zero; done; touch /tmp/wrote) &")
    until = time.monotonic() + 30
    while (seen := vm.run("ls /tmp/wrote")).exit_code and time.monotonic() < until:
        time.sleep(0.2)
    assert seen.exit_code == 0


def test_a_late_command_is_killed_with_its_children(vm: GuestSandbox) -> None:
    begun = time.monotonic()
    with pytest.raises(RunTimeout, match=r"within 0\.5 s"):
        vm.run("sleep 777 & echo so far; sleep 777", timeout_s=0.5)
    assert time.monotonic() - begun < 60
    assert "sleep 777" not in vm.run("ps").stdout


def test_commands_from_several_threads_do_not_wait_for_each_other(vm: GuestSandbox) -> None:
    """Each ends only once all have begun."""
    found: dict[int, str] = {}
    together = "touch /tmp/met.{0}; while [ $(ls /tmp/met.* | wc -l) != 5 ]; do sleep 0.1; done; echo {0}"

    def ask(number: int) -> None:
        found[number] = vm.run(together.format(number), timeout_s=60).stdout

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: f"{number}\n" for number in range(5)}


def test_it_works_while_an_event_loop_runs_as_in_a_notebook(vm: GuestSandbox) -> None:
    async def cell() -> str:
        vm.pause()
        vm.resume()
        return vm.run("echo from a loop").stdout

    assert asyncio.run(cell()) == "from a loop\n"


def test_an_interrupt_ends_the_command_and_not_the_guest(vm: GuestSandbox) -> None:
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        vm.run("sleep 555", timeout_s=300)
    assert time.monotonic() - begun < 60
    assert "sleep 555" not in vm.run("ps").stdout


def test_a_job_runs_by_itself_until_it_is_stopped(vm: GuestSandbox) -> None:
    job = vm.start("while true; do date >/tmp/beat; sleep 0.1; done")
    assert job.running()
    assert f"/proc/{job.pid}" in vm.run(f"ls -d /proc/{job.pid}").stdout
    job.stop()
    assert not job.running()
    assert job.exit_code == 137
    job.stop()


def test_a_job_has_a_result(vm: GuestSandbox) -> None:
    seen = vm.start("echo out; echo err >&2; exit 3").wait()
    assert (seen.exit_code, seen.stdout, seen.stderr, seen.place) == (3, "out\n", "err\n", "shared")


def test_a_job_gets_signals_by_name(vm: GuestSandbox) -> None:
    job = vm.start("trap 'echo heard; exit 4' TERM; echo ready; while true; do sleep 0.1; done")
    until = time.monotonic() + 60
    while not job.stdout and time.monotonic() < until:
        time.sleep(0.02)
    job.signal("TERM")
    seen = job.wait(60)
    assert (seen.exit_code, seen.stdout) == (4, "ready\nheard\n")


def test_a_stopped_job_takes_the_jobs_of_its_shell_with_it(vm: GuestSandbox) -> None:
    job = vm.start("set -m; sleep 888 & sleep 888 & wait")
    until = time.monotonic() + 60
    while vm.run("ps | grep -c '[s]leep 888$'").stdout != "2\n" and time.monotonic() < until:
        time.sleep(0.05)
    job.stop()
    assert vm.run("ps | grep -c '[s]leep 888$'").stdout == "0\n"


def test_a_job_that_does_not_end_is_waited_for_no_longer_than_asked(vm: GuestSandbox) -> None:
    job = vm.start("sleep 999")
    with pytest.raises(RunTimeout, match="still runs"):
        job.wait(0.1)
    job.stop()


def test_a_job_of_no_program_does_not_start(vm: GuestSandbox) -> None:
    with pytest.raises(StartFailed, match="no-such-program: not found"):
        vm.start(["no-such-program"])


def test_a_paused_guest_does_nothing_until_it_is_resumed(vm: GuestSandbox) -> None:
    vm.pause()
    try:
        with pytest.raises(RunTimeout, match="paused"):
            vm.run("echo", timeout_s=0.2)
    finally:
        vm.resume()
    assert vm.run("echo again").stdout == "again\n"


def test_facts_show_qemu_from_outside_and_linux_from_inside(vm: GuestSandbox) -> None:
    job = vm.start(["sleep", "1234"])
    facts = vm.facts()
    job.stop()
    assert facts.process.name.startswith("qemu")
    assert any(thread.name.startswith("CPU 0") for thread in facts.threads)
    assert facts.pss_bytes > 20 << 20
    assert (facts.memory_bytes, facts.machine.startswith("pc-q35"), facts.cpu_model) == (256 << 20, True, "max")
    assert 0.7 * facts.memory_bytes < facts.inside_memory_bytes < facts.memory_bytes
    assert facts.inside_boot_id != facts.host.boot_id
    assert set(facts.inside_namespaces) >= {"mnt", "pid", "net", "uts", "ipc", "user"}
    assert [process.name for process in facts.inside_processes if process.pid == 1] == ["init"]
    assert [process.command for process in facts.inside_processes if process.pid == job.pid] == ["sleep 1234"]
    assert {"serial", "pci", "clock", "interrupts"} <= {device.kind for device in facts.devices}
    assert sum(device.name == "isa-serial" for device in facts.devices) == 2


def test_qemu_is_hardened(vm: GuestSandbox) -> None:
    facts = vm.facts()
    assert facts.seccomp == "filter"
    assert kernel.no_new_privileges(facts.process.pid)
    if os.geteuid() == 0 and facts.accelerator.emulated:
        status = Path(f"/proc/{facts.process.pid}/status").read_text()
        assert "Uid:\t65534\t65534\t65534\t65534" in status
        assert kernel.capabilities(facts.process.pid) == ()
    environment = Path(f"/proc/{facts.process.pid}/environ").read_bytes()
    assert {entry.split(b"=")[0] for entry in environment.split(b"\0") if entry} == {b"BOUNDARIES_OWNER", b"PATH"}


def test_there_is_no_network_card_unless_asked_for(vm: GuestSandbox) -> None:
    assert vm.run("ls /sys/class/net").stdout.split() == ["lo"]


def test_a_network_card_does_not_reach_the_host() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, guest(network=True) as connected:
        port = server.getsockname()[1]
        assert connected.run("ls /sys/class/net").stdout.split() == ["eth0", "lo"]
        assert "10.0.2.15" in connected.run("ip addr show eth0").stdout
        connected.run("ip route add default via 10.0.2.2")
        for address in ("10.0.2.2", "127.0.0.1"):
            assert connected.run(f"echo | nc -w 2 {address} {port}").exit_code != 0
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()


def test_size_is_what_was_asked_for() -> None:
    cpus = min(2, os.cpu_count() or 1)
    with guest(memory="96M", cpus=cpus) as small:
        assert small.run("nproc").stdout == f"{cpus}\n"
        assert small.facts().inside_memory_bytes < 96 << 20
        assert sum(thread.name.startswith("CPU ") for thread in small.facts().threads) == cpus


def test_a_guest_says_how_it_executes_and_how_that_was_proved(vm: GuestSandbox) -> None:
    assert vm.accelerator == choose_accelerator(needed_kernel())
    assert vm.accelerator.proof
    assert ("TCG" in vm.facts().inside_cpu) == vm.accelerator.emulated


def test_kvm_by_name_boots_under_kvm_or_is_an_error() -> None:
    if choose_accelerator(needed_kernel()).emulated:
        with pytest.raises(AcceleratorUnusable, match="no guest boots under it"):
            guest(accelerator="kvm")
    else:
        with guest(accelerator="kvm") as fast:
            assert not fast.facts().accelerator.emulated


def test_emulation_by_name_emulates() -> None:
    with guest(accelerator="tcg") as slow:
        assert "TCG" in slow.facts().inside_cpu


def test_a_closed_guest_says_so_and_leaves_nothing() -> None:
    with guest() as first:
        first.run("true")  # threads and loops that stay for the next guest exist now
    before, descriptors = Photograph.take(), set(os.listdir("/proc/self/fd"))
    closing = guest(name="closing")
    closing.close()
    closing.close()
    with pytest.raises(SandboxGone, match="was closed"):
        closing.run("true")
    assert set(os.listdir("/proc/self/fd")) <= descriptors
    assert settled(before) == {}


def test_plain_qemu_boots_the_same_guest_for_comparison() -> None:
    before = Photograph.take()
    assert 10 < stock_boot_ms() < 120_000
    assert settled(before) == {}
