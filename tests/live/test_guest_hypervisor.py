"""A guest is looked at from below, stood still, saved, rolled back, squeezed, limited and ended."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes import kernel
from sandboxes.errors import BadRequest, LimitIgnored, SandboxGone, Unavailable
from sandboxes.guests import GuestSandbox, cgroup, guest
from sandboxes.guests.qemu import LOG_BYTES
from sandboxes.model import EMULATED
from tests.machine import Photograph, settled

pytestmark = pytest.mark.usefixtures("guest_ready")
MIB = 1 << 20


@pytest.fixture(scope="module")
def vm(guest_ready: None) -> Iterator[GuestSandbox]:
    with guest(name="held", cpus=min(2, os.cpu_count() or 1)) as running:
        yield running


def test_each_virtual_processor_is_a_thread_of_qemu(vm: GuestSandbox) -> None:
    seen = vm.hypervisor()
    assert [cpu.index for cpu in seen.cpus] == list(range(int(vm.run("nproc").stdout)))
    assert all(cpu.thread.name.startswith(f"CPU {cpu.index}/") for cpu in seen.cpus)
    before = seen.process.cpu_ms
    vm.run("i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done")
    assert vm.hypervisor().process.cpu_ms > before


def test_the_guests_memory_and_devices_are_where_qemu_says(vm: GuestSandbox) -> None:
    seen = vm.hypervisor()
    memory = next(space for space in seen.address_spaces if "memory" in space.names)
    assert sum(one.size_bytes for one in memory.ranges if one.kind == "ram") == seen.memory_bytes == 256 * MIB
    ports = next(space for space in seen.address_spaces if "I/O" in space.names)
    assert {(one.first, one.last) for one in ports.ranges if one.name == "serial"} >= {(0x3F8, 0x3FF), (0x2F8, 0x2FF)}
    inside = set(vm.run("cd /sys/bus/pci/devices; for d in *; do cat $d/vendor $d/device; done").stdout.split())
    assert {f"0x{number:04x}" for one in seen.pci for number in (one.vendor_id, one.device_id)} == inside
    assert [one.name for one in seen.virtio] == ["virtio-balloon"]
    assert seen.blocks == ()


def test_translation_goes_on_as_new_code_runs(vm: GuestSandbox) -> None:
    before = vm.hypervisor().translation
    if not vm.accelerator.emulated:
        assert before is None
        return
    vm.run("seq 100 | sort -n | md5sum")
    after = vm.hypervisor().translation
    assert before
    assert after
    assert after.code_bytes > before.code_bytes or after.flushes > before.flushes
    assert (after.code_limit_bytes <= 256 * MIB, 5 < after.expansion < 50) == (True, True)
    assert vm.facts().promise == EMULATED


def test_a_paused_guest_can_be_looked_at(vm: GuestSandbox) -> None:
    vm.pause()
    try:
        assert vm.hypervisor().status == "paused"
    finally:
        vm.resume()
    assert vm.hypervisor().status == "running"


def test_nobody_else_can_reach_qemus_monitor_or_any_port_of_it(vm: GuestSandbox) -> None:
    """Its sockets have no name: they are ends of pairs, so that nobody can connect (unix(7))."""
    process = vm.hypervisor().process
    sockets = [one for one in process.descriptors if one.kind == "socket"]
    numbers = {one.target[len("socket:[") : -1] for one in sockets}
    named = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    ours = [words for words in named if words[6] in numbers]
    assert len(ours) == len(numbers) == 3
    assert all(len(words) == 7 for words in ours), "the eighth column would be a path"
    for family in ("tcp", "tcp6", "udp", "udp6"):
        lines = Path(f"/proc/net/{family}").read_text().splitlines()[1:]
        assert not numbers & {line.split()[9] for line in lines}


def test_qemu_has_nothing_open_but_what_it_needs(vm: GuestSandbox) -> None:
    process = vm.hypervisor().process
    kinds = {one.kind for one in process.descriptors}
    assert kinds <= {
        "socket",
        "eventfd",
        "eventpoll",
        "io_uring",
        "signalfd",
        "timerfd",
        "memfd",
        "file",
        "device",
        "kvm-vm",
        "kvm-vcpu",
    }
    assert {one.target for one in process.descriptors if one.kind == "device"} <= {
        "/dev/null",
        "/dev/kvm",
        "/dev/net/tun",
    }
    cache = {one.target for one in process.descriptors if one.kind == "file"}
    assert all("/guests/" in target for target in cache)
    words = process.process.command.split()
    assert {"-nodefaults", "-no-user-config", "-no-reboot"} <= set(words)
    assert words[words.index("-nic") + 1] == "none"


def test_what_qemu_has_to_say_fills_a_small_file_and_no_more(vm: GuestSandbox) -> None:
    log = os.open(f"/proc/{vm.host_pid}/fd/2", os.O_WRONLY)
    try:
        with pytest.raises(PermissionError):
            while True:
                os.write(log, b"x" * 1000)
        assert os.fstat(log).st_size == LOG_BYTES
    finally:
        os.close(log)
    assert vm.run("echo here").stdout == "here\n"


def test_qemu_may_do_little(vm: GuestSandbox) -> None:
    rights = vm.hypervisor().process.privileges
    assert (rights.seccomp, rights.no_new_privileges) == ("filter", True)
    if not vm.accelerator.emulated:
        return  # root keeps a QEMU whose /dev/kvm only root may open
    assert rights.capabilities.effective == rights.capabilities.permitted == ()
    assert rights.uid != 0


def test_qemu_lives_in_a_cgroup_of_its_own(vm: GuestSandbox) -> None:
    seen = vm.hypervisor().process
    if seen.cgroup is None:
        assert vm.limits.memory_bytes is None
        with pytest.raises(LimitIgnored):
            vm.limit(cpus=1)
        return
    assert seen.cgroup.memory.limit_bytes == vm.limits.memory_bytes
    assert seen.cgroup.pids.limit == vm.limits.pids
    assert 2 < seen.cgroup.pids.current < 2 * seen.process.threads, "its workers come and go"
    assert kernel.cgroup_of(seen.process.pid).pids() == (seen.process.pid,)


def test_half_a_processor_is_half_the_work() -> None:
    with guest(memory="96M") as one:
        if one.limits.pids is None:
            pytest.skip("this user may not make cgroups")
        job = one.start("while true; do :; done")
        assert one.limit(cpus=0.25).cpus == 0.25
        time.sleep(0.3)
        before, begun = one.hypervisor().process.cpu_ms, time.monotonic()
        time.sleep(1.5)
        cores = (one.hypervisor().process.cpu_ms - before) / (time.monotonic() - begun) / 1000
        throttled = one.hypervisor().process.cgroup
        one.limit(cpus=2)
        job.stop()
    assert 0.02 < cores < 0.4
    assert throttled
    assert throttled.cpu.throttled_periods > 0


def test_two_guests_compete_by_their_shares() -> None:
    """Both are held to one CPU, so that they compete also where there are many (cpuset(7))."""
    with guest(memory="96M", name="much") as much, guest(memory="96M", name="little") as little:
        if much.limits.pids is None:
            pytest.skip("this user may not make cgroups")
        pair = (much, little)
        cpu = min(os.sched_getaffinity(0))
        for one in pair:
            for thread in one.hypervisor().process.threads:
                os.sched_setaffinity(thread.tid, {cpu})
        much.limit(cpu_shares=4096)
        little.limit(cpu_shares=512)
        jobs = [one.start("while true; do :; done") for one in pair]
        time.sleep(0.3)
        before = [one.hypervisor().process.cpu_ms for one in pair]
        time.sleep(2)
        spent = [one.hypervisor().process.cpu_ms - was for one, was in zip(pair, before, strict=True)]
        for job in jobs:
            job.stop()
    assert spent[0] > 3 * spent[1] > 0


@pytest.mark.parametrize("asked", [{"cpus": 0}, {"cpus": -1}, {"cpus": "1"}, {"cpu_shares": 1}, {"cpu_shares": 2.5}])
def test_a_share_that_cannot_be_is_refused(vm: GuestSandbox, asked: dict[str, float]) -> None:
    with pytest.raises(BadRequest):
        vm.limit(**asked)  # type: ignore[arg-type]


def test_a_balloon_gives_memory_back_to_the_host_and_to_the_guest(vm: GuestSandbox) -> None:
    vm.run("head -c 60m /dev/zero >/tmp/ballast; rm /tmp/ballast", timeout_s=60)
    squeezed = vm.balloon("128M", timeout_s=60)
    assert squeezed.guest_bytes == (256 * MIB, 128 * MIB)
    assert squeezed.inside_bytes[0] - squeezed.inside_bytes[1] == 128 * MIB
    assert squeezed.host_bytes[0] - squeezed.host_bytes[1] > 30 * MIB
    released = vm.balloon("256M", timeout_s=60)
    assert released.inside_bytes == squeezed.inside_bytes[::-1]
    with guest() as clone, guest() as neighbour:
        clone.balloon("96M", timeout_s=60)
        clone.balloon("256M", timeout_s=60)
        assert neighbour.run("uname").stdout == clone.run("uname").stdout == "Linux\n"
    with guest() as later:
        assert later.run("uname").stdout == "Linux\n", "the template is what it was"


@pytest.mark.parametrize("size", ["1G", "1M", "much", -5])
def test_a_balloon_of_no_possible_size_is_refused(vm: GuestSandbox, size: str | int) -> None:
    with pytest.raises(BadRequest):
        vm.balloon(size)


def test_a_rollback_brings_back_files_and_programs_and_not_the_time() -> None:
    with guest(memory="128M") as vm:
        vm.run("echo then >/tmp/file; hostname kept")
        vm.start("n=0; while true; do n=$((n+1)); echo $n >/tmp/.count; mv /tmp/.count /tmp/count; sleep 0.05; done")
        until = time.monotonic() + 60
        while vm.run("ls /tmp/count").exit_code and time.monotonic() < until:
            time.sleep(0.1)
        with vm.snapshot() as snapshot:
            boot_id = vm.namespaces().boot_id
            vm.run("echo now >/tmp/file; rm -f /tmp/count; killall sh; touch /tmp/new")
            drawn = []
            for _ in range(2):
                first_pid = vm.hypervisor().process.process.pid
                done = vm.rollback(snapshot)
                assert 0 < done.restore_ms <= done.total_ms
                assert vm.hypervisor().process.process.pid != first_pid
                assert vm.run("cat /tmp/file; hostname; ls /tmp/new").stdout == "then\nkept\n"
                asked = time.time()
                assert asked - 2 < int(vm.run("date +%s").stdout) < time.time() + 2
                drawn.append(vm.run("head -c 16 /dev/urandom | md5sum").stdout)
            assert drawn[0] != drawn[1], "both began with the same memory"
            count = int(vm.run("cat /tmp/count").stdout)
            until = time.monotonic() + 60
            while (later := int(vm.run("cat /tmp/count").stdout)) == count and time.monotonic() < until:
                time.sleep(0.1)
            assert later > count, "the job runs on"
            assert vm.namespaces().boot_id == boot_id
            assert vm.facts().started == "rolled back to a snapshot"


def test_limits_outlive_a_rollback() -> None:
    with guest(memory="96M") as vm, vm.snapshot() as snapshot:
        if vm.limits.pids is None:
            pytest.skip("this user may not make cgroups")
        limits = vm.limit(cpus=0.5)
        vm.rollback(snapshot)
        seen = vm.hypervisor().process.cgroup
        assert seen
        assert (seen.cpu.quota_cores, seen.memory.limit_bytes) == (0.5, limits.memory_bytes)


def test_a_guest_goes_on_while_and_after_its_state_is_saved(vm: GuestSandbox) -> None:
    answers: list[str] = []

    def ask() -> None:
        answers.extend(vm.run(f"echo {number}").stdout for number in range(20))

    asking = threading.Thread(target=ask)
    asking.start()
    with vm.snapshot() as snapshot:
        assert snapshot.paused_ms > 0
        assert 20 * MIB < snapshot.size_bytes < 300 * MIB
    asking.join()
    assert answers == [f"{number}\n" for number in range(20)]
    assert vm.hypervisor().migration.status == "completed"


def test_only_a_guests_own_open_snapshot_takes_it_back(vm: GuestSandbox) -> None:
    snapshot = vm.snapshot()
    snapshot.close()
    snapshot.close()
    with pytest.raises(BadRequest, match="closed"):
        vm.rollback(snapshot)
    with guest(memory="96M") as other, other.snapshot() as foreign, pytest.raises(BadRequest, match="none that"):
        vm.rollback(foreign)
    assert vm.run("echo here").stdout == "here\n"


def test_a_paused_guest_is_not_saved(vm: GuestSandbox) -> None:
    vm.pause()
    try:
        with pytest.raises(BadRequest, match="paused"):
            vm.snapshot()
    finally:
        vm.resume()


def test_snapshots_are_bounded_and_go_with_their_guest() -> None:
    with guest(memory="96M") as vm:
        kept = [vm.snapshot() for _ in range(4)]
        with pytest.raises(Unavailable, match="4 of at most 4"):
            vm.snapshot()
        kept[0].close()
        kept.append(vm.snapshot())
    assert all(one.state is None for one in kept)


def test_a_stopped_guest_was_asked_by_its_power_button() -> None:
    before = Photograph.take()
    vm = guest(memory="96M")
    ended = vm.stop(timeout_s=60)
    assert ended.how == "power button"
    assert [one.name for one in ended.stages] == [
        "power button",
        "init ends its programs",
        "init ends the last of them",
        "init waits, the kernel switches off",
    ]
    ends = [one.end_ms for one in ended.stages]
    assert ends == sorted(ends)
    assert ends[-1] == ended.total_ms
    with pytest.raises(SandboxGone, match="was closed"):
        vm.run("true")
    assert "Power down" in vm.console()
    assert settled(before) == {}


def test_a_guest_that_does_not_heed_the_button_is_switched_off_harder() -> None:
    deaf = guest(memory="96M")
    deaf.run("killall acpid")
    ended = deaf.stop(timeout_s=0.2)
    assert (ended.how, [one.name for one in ended.stages]) == ("poweroff", ["power button", "poweroff"])
    still = guest(memory="96M")
    still.pause()
    assert [one.name for one in still.stop().stages] == ["quit"]


def test_a_board_without_button_and_balloon_ends_too_and_says_what_it_lacks() -> None:
    small = guest(memory="96M", board="microvm", cold=True)
    with pytest.raises(Unavailable, match="has no balloon"):
        small.balloon("80M")
    ended = small.stop()
    assert (ended.how, [one.name for one in ended.stages]) == ("reboot", ["reboot"])


def test_without_a_cgroup_a_guest_runs_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "make", lambda machine: None)
    with guest(memory="96M") as vm:
        assert vm.hypervisor().process.cgroup is None
        assert vm.limits.memory_bytes is None
        with pytest.raises(LimitIgnored, match="may not make a cgroup"):
            vm.limit(cpus=0.5)
