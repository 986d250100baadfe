"""Guests die, hang, run full and talk nonsense; their owners are killed. Errors say so, and nothing is left."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandboxes.errors import RunTimeout, SandboxGone, StartFailed
from sandboxes.guests import GuestSandbox, found, guest, needed_kernel, start, system
from sandboxes.lifecycle import guard, owner, runtime_folder


@pytest.fixture(scope="module", autouse=True)
def guest_ready() -> None:
    if missing := found().missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("; ".join(missing))


def left(owner_id: str, deadline_s: float = 5.0) -> list[int]:
    """QEMU processes that carry the owner's mark after they had time to go: the same owner may have an engine, too."""
    until = time.monotonic() + deadline_s
    while (pids := _machines(owner_id)) and time.monotonic() < until:
        time.sleep(0.05)
    return pids


def _machines(owner_id: str) -> list[int]:
    marked = ((pid, Path(f"/proc/{pid}/comm")) for pid in guard.marked_processes(owner_id))
    return [pid for pid, comm in marked if comm.exists() and comm.read_text().startswith("qemu")]


@pytest.fixture
def vm() -> Iterator[GuestSandbox]:
    with guest() as running:
        yield running


def qemu(vm: GuestSandbox) -> int:
    return vm.facts().process.pid


def ends(vm: GuestSandbox, command: str) -> str:
    """What the error says when a command ends the whole guest."""
    with pytest.raises(SandboxGone) as raised:
        vm.run(command)
    return str(raised.value)


def test_a_panic_is_told_with_the_consoles_last_lines(vm: GuestSandbox) -> None:
    told = ends(vm, "echo c >/proc/sysrq-trigger; sleep 20")
    assert "Kernel panic - not syncing: sysrq triggered crash" in told
    assert "Kernel panic" in vm.console()
    assert "Kernel panic" in ends(vm, "true")


def test_a_panic_leaves_its_neighbour_running(vm: GuestSandbox) -> None:
    with guest() as neighbour:
        ends(vm, "echo c >/proc/sysrq-trigger; sleep 20")
        assert neighbour.run("echo here").stdout == "here\n"


def test_a_guest_may_switch_itself_off(vm: GuestSandbox) -> None:
    assert "switched itself off" in ends(vm, "poweroff -f")


def test_a_killed_qemu_is_told(vm: GuestSandbox) -> None:
    pid = qemu(vm)
    threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
    assert "QEMU was killed by SIGKILL" in ends(vm, "sleep 20")
    with pytest.raises(SandboxGone):
        vm.facts()
    with pytest.raises(SandboxGone):
        vm.pause()


def test_a_qemu_that_hangs_does_not_hang_its_caller(vm: GuestSandbox) -> None:
    os.kill(qemu(vm), signal.SIGSTOP)
    begun = time.monotonic()
    with pytest.raises(RunTimeout, match="does not answer"):
        vm.run("true", timeout_s=0.3)
    vm.close()
    assert time.monotonic() - begun < 15


def test_a_killed_agent_is_told_and_comes_back(vm: GuestSandbox) -> None:
    job = vm.start("sleep 1000")
    with pytest.raises(SandboxGone, match="started again"):
        vm.run("kill -9 $(pidof agent); sleep 20")
    assert vm.run("echo back").stdout == "back\n"
    with pytest.raises(SandboxGone, match="started again"):
        job.wait()


def test_nonsense_on_the_agents_port_harms_nobody(vm: GuestSandbox) -> None:
    vm.run("head -c 100000 /dev/urandom >/dev/ttyS1; echo >/dev/ttyS1", timeout_s=20)
    assert vm.run("echo fine").stdout == "fine\n"


def test_endless_nonsense_on_the_agents_port_is_passed_over(vm: GuestSandbox) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    vm.start("cat /dev/zero >/dev/ttyS1")
    begun, answered = time.monotonic(), 0
    while time.monotonic() - begun < 3:
        answered += vm.run("echo fine", timeout_s=30).stdout == "fine\n"
    assert answered
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used < 20 << 10


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_flood_on_the_console_stays_in_its_ring_and_harms_nobody(vm: GuestSandbox, soak: bool) -> None:
    """A serial port of an emulated guest takes about 0.4 MB a second."""
    flood_bytes = (100 if soak else 2) << 20
    used_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with guest() as neighbour:
        job = vm.start(f"stty -F /dev/ttyS0 -opost; yes flood | head -c {flood_bytes} >/dev/ttyS0")
        while job.running():
            assert vm.run("echo beside it").stdout == "beside it\n"
            assert neighbour.run("echo next to it").stdout == "next to it\n"
            time.sleep(1)
    assert job.exit_code == 0
    assert "flood\nflood\n" in vm.console()[-100:]
    assert 1 << 19 < len(vm.console()) <= 1 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used_kib < 30 << 10


def test_a_command_that_eats_all_memory_is_killed_and_the_agent_is_not(vm: GuestSandbox) -> None:
    with contextlib.suppress(RunTimeout):
        vm.run("x=x; while true; do x=$x$x; done", timeout_s=60)
    assert vm.run("echo alive").stdout == "alive\n"
    assert "Out of memory" in vm.run("dmesg").stdout


def test_a_fork_bomb_is_killed_at_the_deadline_and_its_neighbour_goes_on(vm: GuestSandbox) -> None:
    with guest() as neighbour:
        bomb = threading.Thread(target=lambda: neighbour.run("sleep 1; echo fine"))
        bomb.start()
        with pytest.raises(RunTimeout, match="it was killed"):
            vm.run("f() { f | f & }; f; sleep 100", timeout_s=4)
        assert neighbour.run("echo fine", timeout_s=60).stdout == "fine\n"
        bomb.join()
    assert vm.run("echo fine; ps | wc -l", timeout_s=60).stdout.startswith("fine\n")


def test_a_crowd_of_processes_is_killed_at_the_deadline(vm: GuestSandbox) -> None:
    with pytest.raises(RunTimeout):
        vm.run("for n in $(seq 200); do sleep 1000 & done; wait", timeout_s=3)
    assert vm.run("ps | grep -c '[s]leep 1000'").stdout == "0\n"


def test_four_guests_at_once_all_boot() -> None:
    seen: list[str] = []

    def boot(number: int) -> None:
        with guest(memory="96M") as one:
            seen.append(one.run(f"echo {number}").stdout)

    threads = [threading.Thread(target=boot, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [f"{number}\n" for number in range(4)]
    assert left(owner().id) == []


def test_a_kernel_that_does_not_boot_is_an_error_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    descriptors = set(os.listdir("/proc/self/fd"))
    monkeypatch.setattr("sandboxes.guests.system.KERNEL_WORDS", ("panic=-1", "rdinit=/nothing"))
    with pytest.raises(StartFailed) as raised:
        guest()
    assert "Kernel panic" in raised.value.seen
    assert set(os.listdir("/proc/self/fd")) == descriptors
    assert left(owner().id) == []


def test_a_guest_that_never_answers_is_given_up_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "BOOT_S", 0.4)
    with pytest.raises(StartFailed, match=r"within 0\.4 s"):
        guest(cold=True)
    assert left(owner().id) == []


def test_a_kernel_file_that_is_no_kernel_is_told_in_qemus_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kernel = needed_kernel()
    folder = tmp_path / "kernel"
    folder.mkdir()
    (folder / "vmlinux").write_bytes(b"no kernel" * 1000)
    broken = replace(kernel, sizes_bytes={}, sha256={}, modules=())
    monkeypatch.setattr(type(kernel), "folder", folder)
    monkeypatch.setattr(start, "found_kernel", lambda: broken)
    with pytest.raises(StartFailed, match="QEMU failed with status 1"):
        guest(accelerator="tcg")
    assert left(owner().id) == []


def test_an_interrupt_while_it_boots_leaves_nothing() -> None:
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        guest(accelerator="tcg", cold=True)
    assert left(owner().id) == []


OWNING = """
import sys
from sandboxes.guests import guest
from sandboxes.lifecycle import owner
if sys.argv[1] == "booting":
    print(owner().id, owner().guard_pid, flush=True)
vm = guest(cold=sys.argv[1] == "booting")
if sys.argv[1] == "running":
    print(owner().id, owner().guard_pid, flush=True)
    vm.start("while true; do true; done")
if sys.argv[1] != "ending":
    sys.stdin.readline()
print(owner().id, owner().guard_pid, flush=True)
"""


def owning(state: str) -> tuple[subprocess.Popen[str], str, int]:
    """A process with a guest, its id as an owner, and the pid of its guard."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNING, state], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    owner_id, guard_pid = process.stdout.readline().split()
    return process, owner_id, int(guard_pid)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_killed_owner_leaves_no_qemu(soak: bool) -> None:
    for _ in range(100 if soak else 5):
        process, owner_id, _ = owning("running")
        assert len(list(guard.marked_processes(owner_id))) == 1
        process.kill()
        process.communicate()
        assert left(owner_id) == []


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_an_owner_killed_while_its_guest_boots_leaves_no_qemu(soak: bool) -> None:
    for number in range(50 if soak else 5):
        process, owner_id, _ = owning("booting")
        time.sleep(0.05 + number % 10 * 0.1)
        process.kill()
        process.communicate()
        assert left(owner_id) == []


def test_with_the_guard_killed_too_the_next_owner_removes_the_qemu() -> None:
    process, owner_id, guard_pid = owning("running")
    os.kill(guard_pid, signal.SIGKILL)
    process.kill()
    process.communicate()
    assert left(owner_id, 0.5), "nobody was there to clean up, so the test has something to sweep"
    subprocess.run([sys.executable, "-c", "from sandboxes.lifecycle import owner; owner()"], check=True)
    assert left(owner_id) == []
    assert not (runtime_folder() / owner_id).exists()


def test_an_owner_that_forgets_to_close_leaves_no_qemu() -> None:
    process, owner_id, _ = owning("ending")
    process.communicate()
    assert process.returncode == 0
    assert left(owner_id, 0.5) == []
