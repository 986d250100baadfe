"""Commands that take what they can get, in a container; beside them the machine goes on answering."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandboxes.containers import ContainerSandbox, container
from sandboxes.errors import RunTimeout

pytestmark = pytest.mark.usefixtures("engine_ready")

NAP_S = 0.01
MOST_P99_MS = 500
KEPT = 16 << 20


class Naps:
    """How long sleeps of 10 ms took, in ms, one after the other in a thread of their own."""

    def __init__(self) -> None:
        self.took_ms: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._nap)
        self._thread.start()

    def _nap(self) -> None:
        while not self._over.is_set():
            begun = time.monotonic()
            time.sleep(NAP_S)
            self.took_ms.append((time.monotonic() - begun) * 1000)

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def at(self, share: float) -> float:
        return sorted(self.took_ms)[int(share * (len(self.took_ms) - 1))]


@contextmanager
def machine_answers(seconds: float = 3.0) -> Iterator[None]:
    """Meanwhile, and for so long at least, 99 of 100 naps of 10 ms take 500 ms at most."""
    naps, until = Naps(), time.monotonic() + seconds
    try:
        yield
        time.sleep(max(0.0, until - time.monotonic()))
    finally:
        naps.end()
    figures = ", ".join(f"{name} {naps.at(share):.1f}" for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1)))
    print(f"naps of 10 ms: {figures} ms, n={len(naps.took_ms)}")
    assert naps.at(0.99) <= MOST_P99_MS, f"naps of 10 ms took {figures} ms, n={len(naps.took_ms)}"


@pytest.fixture
def box() -> Iterator[ContainerSandbox]:
    """Hardened, with the limits that a reader gets when none are written; its end takes 5 s at most."""
    with container() as made:
        yield made
        begun = time.monotonic()
    assert time.monotonic() - begun < 5


def resident_bytes() -> int:
    """Memory of this process. Source: proc_pid_statm(5), second field, in pages of 4096."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_a_fork_bomb_stays_within_its_processes(box: ContainerSandbox) -> None:
    with machine_answers():
        box.start("bomb() { bomb | bomb & }; while :; do bomb; done 2>/dev/null")
    pids = box.sample().pids
    assert pids.limit == 64 and pids.current <= 64
    assert pids.limit_hits > 0, "it met the limit"


def test_a_memory_hog_stays_within_its_memory_and_ends_alone(box: ContainerSandbox) -> None:
    with machine_answers():
        box.start("while :; do tail /dev/zero; done")
    memory = box.sample().memory
    assert memory.oom_kills > 0
    assert memory.peak_bytes is None or memory.peak_bytes <= (128 << 20) + 4096
    assert box.running()


def test_a_disk_filler_meets_the_end_of_its_folders(box: ContainerSandbox) -> None:
    with machine_answers():
        box.start("while :; do cat /dev/zero >/tmp/fill; cat /dev/zero >/run/fill; done 2>/dev/null")
    used_kib = [int(line.split()[2]) for line in box.run("df -k /tmp /run").stdout.splitlines()[1:]]
    assert used_kib[0] <= 16 << 10 and used_kib[1] <= 4 << 10
    assert box.run("echo x >/anywhere").exit_code != 0, "nothing else can be written"


def test_a_filler_of_the_open_profile_s_layer_stays_within_its_memory() -> None:
    with container(profile="open") as box:
        if box.sample().memory.limit_bytes is None:
            pytest.skip("this engine enforces no memory limit")
        with machine_answers():
            box.start("cat /dev/zero >/fill")
        assert box.sample().memory.current_bytes <= (128 << 20) + 4096


def test_a_flood_of_output_is_read_bounded_and_told_in_few_words(box: ContainerSandbox) -> None:
    box.run("true")
    before = resident_bytes()
    with machine_answers(), pytest.raises(RunTimeout) as late:
        box.run("yes flood", timeout_s=3)
    assert len(str(late.value)) < 1000
    assert resident_bytes() - before < 6 * KEPT
    kept = box.run(f"head -c {2 * KEPT} /dev/zero | tr '\\0' x").stdout
    assert kept[:KEPT] == "x" * KEPT and len(kept) < KEPT + 200, "and it says that it was cut"


def test_a_background_job_s_flood_goes_by(box: ContainerSandbox) -> None:
    before = resident_bytes()
    with machine_answers():
        job = box.start("yes flood")
    assert job.running()
    assert box.run("echo beside it").stdout == "beside it\n"
    assert resident_bytes() - before < 3 * KEPT
    job.stop()
    assert not job.running()
