"""Snapshots and rollbacks that are cut short: the guest is as it was, or gone with everything of its owner's."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes import kernel
from sandboxes.errors import SandboxGone, Unavailable
from sandboxes.guests import GuestSandbox, guest, monitor
from sandboxes.guests.qemu import Qemu
from sandboxes.lifecycle import guard
from sandboxes.model import CgroupLimits
from tests.machine import until_gone

pytestmark = pytest.mark.usefixtures("guest_ready")

OWNING = """
import sys
from sandboxes.guests import guest
from sandboxes.lifecycle import owner
with guest(memory="96M") as vm:
    kept = vm.snapshot()
    print(owner().id, flush=True)
    while True:
        if sys.argv[1] == "snapshot":
            vm.snapshot().close()
        else:
            vm.rollback(kept)
"""


@pytest.fixture
def vm() -> Iterator[GuestSandbox]:
    with guest(memory="96M") as running:
        yield running


def open_files() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_an_owner_killed_while_it_saves_or_restores_leaves_nothing(soak: bool) -> None:
    for number in range(100 if soak else 10):
        work = ("snapshot", "rollback")[number % 2]
        process = subprocess.Popen([sys.executable, "-c", OWNING, work], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        owner_id = process.stdout.readline().strip()
        assert list(guard.marked_processes(owner_id))
        time.sleep(number % 25 * 0.013)
        process.kill()
        process.communicate()
        assert until_gone(owner_id, 60) == []


def test_a_state_that_is_damaged_leaves_the_guest_as_it_was(vm: GuestSandbox) -> None:
    with vm.snapshot() as snapshot:
        assert snapshot.state is not None
        os.pwrite(snapshot.state, b"nonsense", 0)
        before = open_files()
        with pytest.raises(Unavailable, match="could not be restored"):
            vm.rollback(snapshot)
        assert vm.run("echo still here").stdout == "still here\n"
        assert open_files() <= before


def test_a_state_that_is_cut_short_leaves_the_guest_as_it_was(vm: GuestSandbox) -> None:
    with vm.snapshot() as snapshot:
        assert snapshot.state is not None
        os.truncate(snapshot.state, snapshot.size_bytes // 2)
        with pytest.raises(Unavailable, match="could not be restored"):
            vm.rollback(snapshot)
        assert vm.run("echo still here").stdout == "still here\n"


def test_an_interrupted_snapshot_leaves_a_running_guest_and_no_file(vm: GuestSandbox) -> None:
    vm.run("head -c 30m /dev/urandom >/tmp/ballast")
    before = open_files()
    for delay_s in (0.005, 0.02, 0.04):
        timer = threading.Timer(delay_s, os.kill, (os.getpid(), signal.SIGINT))
        with contextlib.suppress(KeyboardInterrupt):
            timer.start()
            vm.snapshot().close()
            timer.join()
            time.sleep(0.1)
        assert vm.run("echo still here").stdout == "still here\n"
    assert vm.hypervisor().status == "running"
    assert open_files() <= before
    with vm.snapshot() as snapshot:
        vm.rollback(snapshot)
    assert vm.run("echo still here").stdout == "still here\n"


def test_an_interrupt_while_a_guest_is_closed_leaves_nothing_of_it(
    vm: GuestSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot, console = vm.snapshot(), vm._emulator.console
    close = console.close

    def interrupted() -> None:
        monkeypatch.setattr(console, "close", close)
        raise KeyboardInterrupt

    monkeypatch.setattr(console, "close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        vm.close()
    assert snapshot.state is None
    assert vm._emulator.monitor_end.fileno() == -1


def test_a_rollback_that_is_interrupted_leaves_a_guest_that_runs(
    vm: GuestSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = vm._emulator.close

    def interrupted() -> None:
        close()
        raise KeyboardInterrupt

    with vm.snapshot() as snapshot:
        monkeypatch.setattr(vm._emulator, "close", interrupted)
        with pytest.raises(KeyboardInterrupt):
            vm.rollback(snapshot)
    assert vm.run("echo here").stdout == "here\n"


def test_a_qemu_that_nobody_came_to_own_is_ended() -> None:
    pid = Qemu(Path("/bin/sleep"), ["1000"], [], "tcg").pid
    gc.collect()
    assert not Path(f"/proc/{pid}").exists()


def test_a_guest_that_dies_while_it_is_saved_says_so(vm: GuestSandbox) -> None:
    vm.run("head -c 30m /dev/urandom >/tmp/ballast")
    pid = vm.hypervisor().process.process.pid
    threading.Timer(0.02, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(SandboxGone, match="SIGKILL"):
        while True:
            vm.snapshot().close()


def test_a_guest_closed_while_it_is_rolled_back_is_closed(vm: GuestSandbox) -> None:
    snapshot = vm.snapshot()
    threading.Timer(0.05, vm.close).start()
    with pytest.raises((SandboxGone, Unavailable)):
        while True:
            vm.rollback(snapshot)
    vm.close()
    assert snapshot.state is None


def test_a_command_under_way_is_told_that_its_guest_was_rolled_back(vm: GuestSandbox) -> None:
    told: list[str] = []

    def wait() -> None:
        with pytest.raises(SandboxGone) as raised:
            vm.run(["sleep", "300"], timeout_s=300)
        told.append(raised.value.seen)

    with vm.snapshot() as snapshot:
        waiting = threading.Thread(target=wait)
        waiting.start()
        until = time.monotonic() + 60
        while " sleep 300\n" not in vm.run("ps").stdout and time.monotonic() < until:
            time.sleep(0.1)
        vm.rollback(snapshot)
        waiting.join(60)
    assert len(told) == 1
    assert vm.run("echo next").stdout == "next\n"


def test_a_qemu_that_hangs_is_stopped_by_force(vm: GuestSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    os.kill(vm.hypervisor().process.process.pid, signal.SIGSTOP)
    monkeypatch.setattr(monitor, "CALL_S", 0.3)
    assert vm.stop(timeout_s=0.2).how == "killed"
    with pytest.raises(SandboxGone, match="was closed"):
        vm.stop()


def test_a_qemu_that_needs_more_than_its_cgroup_is_told(vm: GuestSandbox) -> None:
    pid = vm.hypervisor().process.process.pid
    if vm.limits.pids is None:
        pytest.skip("this user may not make cgroups")
    held = kernel.sample(kernel.cgroup_of(pid)).memory.current_bytes
    kernel.set_limits(kernel.cgroup_of(pid), CgroupLimits(memory_bytes=held + (4 << 20), swap_bytes=4096))
    with pytest.raises(SandboxGone, match="more memory than the"):
        vm.run("head -c 60m /dev/zero >/tmp/ballast; sleep 30", timeout_s=60)
