"""Limits of a running container, in the kernel's own files, and what happens at them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes import containers, kernel
from sandboxes.containers import ContainerSandbox
from sandboxes.errors import BadRequest
from sandboxes.model import Limits

pytestmark = pytest.mark.usefixtures("engine_ready")

EAT = "head -c 200000000 /dev/zero | tail > /dev/null"


@pytest.fixture
def box() -> Iterator[ContainerSandbox]:
    with containers.container(memory="32M", cpus=0.25, pids=32) as made:
        yield made


def test_the_kernel_was_told_what_was_asked(box: ContainerSandbox) -> None:
    seen = box.sample()
    assert (seen.memory.limit_bytes, seen.cpu.quota_cores, seen.pids.limit) == (32 << 20, 0.25, 32)
    assert box.limits == Limits(32 << 20, 0.25, 32)


def test_every_figure_can_be_read_again_in_the_file_it_names(box: ContainerSandbox) -> None:
    seen = box.sample()
    assert Path(seen.files["pids.limit"]).read_text().strip() == "32"
    assert Path(seen.files["memory.limit"]).read_text().strip() == str(32 << 20)


def test_without_limits_the_kernel_has_none() -> None:
    with containers.container(memory=None, cpus=None, pids=None) as made:
        seen = made.sample()
        assert (seen.memory.limit_bytes, seen.cpu.quota_cores, seen.pids.limit) == (None, None, None)


def test_limits_change_while_it_runs(box: ContainerSandbox) -> None:
    assert box.limit(memory="64M", cpus=0.1, pids=20) == Limits(64 << 20, 0.1, 20)
    seen = box.sample()
    assert (seen.memory.limit_bytes, seen.cpu.quota_cores, seen.pids.limit) == (64 << 20, 0.1, 20)
    assert box.limit(cpus=1) == Limits(64 << 20, 1.0, 20)
    assert box.limit(memory="16M") == Limits(16 << 20, 1.0, 20)
    seen = box.sample()
    assert (seen.memory.limit_bytes, seen.cpu.quota_cores, seen.pids.limit) == (16 << 20, 1.0, 20)
    assert box.limit() == box.facts().limits == Limits(16 << 20, 1.0, 20)


def test_limits_can_be_set_on_a_container_without_any() -> None:
    with containers.container(memory=None, cpus=None, pids=None) as made:
        made.limit(memory="32M", cpus=0.5, pids=32)
        seen = made.sample()
        assert (seen.memory.limit_bytes, seen.cpu.quota_cores, seen.pids.limit) == (32 << 20, 0.5, 32)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("memory", "1M"),
        ("memory", "1T"),
        ("memory", "-1"),
        ("cpus", float("nan")),
        ("cpus", 0),
        ("pids", 1),
        ("pids", 1.5),
    ],
)
def test_a_bad_change_is_refused_and_changes_nothing(box: ContainerSandbox, field: str, value: object) -> None:
    before = box.limits
    with pytest.raises(BadRequest) as caught:
        box.limit(**{field: value})  # type: ignore[arg-type]
    assert caught.value.field == field
    seen = box.sample()
    assert Limits(seen.memory.limit_bytes, seen.cpu.quota_cores, seen.pids.limit) == before == box.limits


def test_a_command_that_takes_too_much_memory_is_killed_and_counted(box: ContainerSandbox) -> None:
    before = box.sample().memory
    done = box.run(EAT)
    after = box.sample().memory
    assert done.exit_code == 137
    assert after.oom_kills > before.oom_kills
    assert after.limit_hits > before.limit_hits
    assert after.peak_bytes is None or after.peak_bytes > 24 << 20
    assert box.run("echo alive").stdout == "alive\n", "the container itself lives on"


def test_less_memory_than_is_in_use_is_refused_or_enforced(box: ContainerSandbox) -> None:
    box.limit(memory="64M")
    job = box.start("head -c 40000000 /dev/zero | tail -c 40000000 | sleep 60")
    until = time.monotonic() + 15
    while box.sample().memory.current_bytes < 30 << 20 and time.monotonic() < until:
        time.sleep(0.05)
    assert box.sample().memory.current_bytes >= 30 << 20
    try:
        box.limit(memory="8M")
    except BadRequest as refused:  # version 1: EBUSY when the memory cannot be reclaimed
        assert refused.field == "memory"
        assert box.sample().memory.limit_bytes == 64 << 20 == box.limits.memory_bytes
    else:  # version 2 kills to get below
        assert box.sample().memory.limit_bytes == 8 << 20
        assert box.sample().memory.oom_kills > 0
    job.stop()


def test_a_busy_loop_gets_no_more_than_its_quota_and_is_throttled(box: ContainerSandbox) -> None:
    job = box.start("while :; do :; done")
    before = box.sample()
    time.sleep(1.5)
    after = box.sample()
    job.stop()
    cores = (after.cpu.usage_usec - before.cpu.usage_usec) / 1e6 / (after.at_s - before.at_s)
    assert 0.05 < cores < 0.25 * 1.2
    assert after.cpu.throttled_periods > before.cpu.throttled_periods
    assert after.cpu.throttled_usec > before.cpu.throttled_usec


def test_a_fork_bomb_meets_its_limit_and_the_machine_does_not(box: ContainerSandbox) -> None:
    done = box.run("for i in $(seq 100); do sleep 2 & done; echo reached", timeout_s=20)
    seen = box.sample().pids
    assert "can't fork" in done.stderr
    assert seen.limit_hits > 0
    assert seen.current <= 32


def test_reading_a_sample_is_quick(box: ContainerSandbox) -> None:
    box.sample()
    begun = time.monotonic()
    for _ in range(50):
        box.sample()
    assert (time.monotonic() - begun) / 50 < 0.02


def test_input_and_output_keep_to_their_rate_on_a_disk_of_their_own() -> None:
    write = "dd if=/dev/zero of=/scratch/data bs=1M count=4 oflag=direct"
    with containers.container(io={"write": "4M"}, cpus=1) as made:
        limited = made.run(write)
        assert limited.exit_code == 0 and 800 < limited.wall_ms < 20_000, limited
        (disk,) = [one for one in kernel.details(made.cgroup()).io or () if one.limit.write_bytes_per_s]
        assert disk.limit.write_bytes_per_s == 4 << 20 and disk.write_bytes >= 4 << 20
        assert disk.limit.read_bytes_per_s is None
        assert made.limit(io="40M") == Limits(128 << 20, 1.0, 64, 40 << 20, 40 << 20)
        assert made.run(write).wall_ms < limited.wall_ms / 2
        if made.cgroup().version == "v1":  # version 2 does not refuse
            made.run("head -c 40000000 /dev/zero > /tmp/full")
            with pytest.raises(BadRequest, match="memory"):
                made.limit(io="50M", memory="8M")
            assert made.limits == Limits(128 << 20, 1.0, 64, 50 << 20, 50 << 20), "the first of the two was set"
        job = made.start("while :; do dd if=/scratch/data of=/dev/null bs=1M iflag=direct 2>/dev/null; done")
        assert (made.stats(0.5).read_bytes_per_s or 0) > 1 << 20
        job.stop()
        full = made.run("dd if=/dev/zero of=/scratch/full bs=1M count=100")
        assert "No space left" in full.stderr or containers.engine().origin == "reader"


def test_a_rate_needs_the_disk_that_comes_with_it(box: ContainerSandbox) -> None:
    with pytest.raises(BadRequest) as caught:
        box.limit(io="5M")
    assert caught.value.field == "io"


def test_the_weight_when_cpus_are_short_can_be_set_and_changed() -> None:
    with containers.container(cpu_shares=512) as made:
        before = kernel.details(made.cgroup()).cpu_weight
        assert made.limit(cpu_shares=2048).cpu_shares == 2048
        after = kernel.details(made.cgroup()).cpu_weight
        assert before and after and before < after
