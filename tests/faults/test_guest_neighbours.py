"""What a guest does to itself its neighbour and its host do not notice; and it is told why it died."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from sandboxes.errors import RunTimeout, SandboxGone
from sandboxes.guests import GuestSandbox, guest
from sandboxes.model import Thread

pytestmark = pytest.mark.usefixtures("guest_ready")

FORK_BOMB = "bomb() { bomb | bomb & }; bomb; sleep 60"
HOG = "x=x; while true; do x=$x$x; done"
PANIC = "echo c >/proc/sysrq-trigger; sleep 60"
NAP_S, LATE_S = 0.01, 0.25


@pytest.fixture(scope="module")
def neighbour(guest_ready: None) -> Iterator[GuestSandbox]:
    with guest(memory="96M", name="neighbour") as running:
        yield running


class Naps:
    """While it is open, this process sleeps 10 ms again and again, and notes how late it wakes."""

    def __enter__(self) -> Naps:
        self.late_s: list[float] = []
        self._over = threading.Event()
        self._sleeper = threading.Thread(target=self._sleep)
        self._sleeper.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._over.set()
        self._sleeper.join()

    def _sleep(self) -> None:
        while not self._over.is_set():
            begun = time.monotonic()
            time.sleep(NAP_S)
            self.late_s.append(time.monotonic() - begun - NAP_S)

    def wait_for(self, number: int) -> None:
        while len(self.late_s) < number:
            time.sleep(NAP_S)

    def median_s(self) -> float:
        return sorted(self.late_s)[len(self.late_s) // 2]


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (FORK_BOMB, None),
        (HOG, None),
        (f"echo 1 >/proc/sys/vm/panic_on_oom; {HOG}", "Kernel panic - not syncing: Out of memory"),
        (PANIC, "Kernel panic - not syncing: sysrq triggered crash"),
    ],
    ids=["fork bomb", "memory", "out of memory", "panic"],
)
def test_neighbour_and_host_go_on(neighbour: GuestSandbox, trouble: str, reason: str | None) -> None:
    with guest(memory="96M", name="trouble") as vm:
        started = neighbour.run("cat /proc/uptime").stdout
        with Naps() as naps:
            if reason:
                with pytest.raises(SandboxGone) as raised:
                    vm.run(trouble, timeout_s=60)
                assert reason in raised.value.seen
            else:
                with contextlib.suppress(RunTimeout, SandboxGone):
                    vm.run(trouble, timeout_s=4)
            answer = neighbour.run("echo here", timeout_s=30)
            naps.wait_for(100)
        assert answer.stdout == "here\n"
        assert naps.median_s() < LATE_S
    assert float(neighbour.run("cat /proc/uptime").stdout.split()[0]) > float(started.split()[0])


def processors(threads: Iterable[Thread]) -> set[int]:
    return {thread.tid for thread in threads if thread.name.startswith("CPU ")}


def test_trouble_is_held_in_qemus_own_cgroup(neighbour: GuestSandbox) -> None:
    """A fork bomb inside is one process outside, with the threads that QEMU had before."""
    with guest(memory="96M", name="bombed") as vm:
        before = vm.hypervisor().process
        with contextlib.suppress(RunTimeout, SandboxGone):
            vm.run(FORK_BOMB, timeout_s=3)
        after = vm.hypervisor().process
        assert processors(before.threads) == processors(after.threads)
        assert after.process.threads < 20
        assert after.memory.rss_bytes < (96 << 20) + (448 << 20)
