"""What is written into which file for which limit, in either version of cgroups."""

from __future__ import annotations

import pytest

from sandboxes.errors import BadRequest
from sandboxes.kernel import Setting, settings, shares_of, weight_of
from sandboxes.model import CgroupLimits, IoLimit

EVERYTHING = CgroupLimits(
    cpus=0.25,
    cpu_weight=400,
    cpuset_cpus="0-1",
    memory_bytes=64 << 20,
    swap_bytes=16 << 20,
    pids=32,
    io=(IoLimit("254:0", read_bytes_per_s=1 << 20, write_operations_per_s=100),),
)
V1 = ("cpu", "cpuacct", "cpuset", "memory", "pids", "blkio", "freezer")


def test_version_2_gets_one_file_a_limit() -> None:
    assert settings(EVERYTHING) == (
        Setting("cpu", "cpu.weight", "400"),
        Setting("cpu", "cpu.max", "25000 100000"),
        Setting("cpuset", "cpuset.cpus", "0-1"),
        Setting("memory", "memory.max", "67108864"),
        Setting("memory", "memory.swap.max", "16777216"),
        Setting("pids", "pids.max", "32"),
        Setting("io", "io.max", "254:0 rbps=1048576 wiops=100"),
    )


def test_version_1_gets_shares_quota_and_the_sum_of_memory_and_swap() -> None:
    assert settings(EVERYTHING, V1) == (
        Setting("cpu", "cpu.shares", "4096"),
        Setting("cpu", "cpu.cfs_period_us", "100000"),
        Setting("cpu", "cpu.cfs_quota_us", "25000"),
        Setting("cpuset", "cpuset.cpus", "0-1"),
        Setting("memory", "memory.memsw.limit_in_bytes", "-1"),
        Setting("memory", "memory.limit_in_bytes", "67108864"),
        Setting("memory", "memory.memsw.limit_in_bytes", "83886080"),
        Setting("pids", "pids.max", "32"),
        Setting("io", "blkio.throttle.read_bps_device", "254:0 1048576"),
        Setting("io", "blkio.throttle.write_iops_device", "254:0 100"),
    )


def test_a_controller_may_be_in_either_version_of_a_hybrid_machine() -> None:
    files = [setting.file for setting in settings(CgroupLimits(cpus=1, pids=9), ("cpu", "cpuacct"))]
    assert files == ["cpu.cfs_period_us", "cpu.cfs_quota_us", "pids.max"]


def test_what_is_not_given_is_not_written() -> None:
    assert settings(CgroupLimits()) == settings(CgroupLimits(), V1) == ()
    assert settings(CgroupLimits(io=(IoLimit("8:0"),))) == ()


def test_max_lifts_a_limit() -> None:
    lifted = CgroupLimits(
        cpus="max", memory_bytes="max", swap_bytes="max", pids="max", io=(IoLimit("8:0", read_bytes_per_s="max"),)
    )
    assert [setting.text for setting in settings(lifted)] == ["max 100000", "max", "max", "max", "8:0 rbps=max"]
    assert [setting.text for setting in settings(lifted, V1)] == ["100000", "-1", "-1", "-1", "max", "8:0 0"]


def test_swap_alone_cannot_be_limited_in_version_1() -> None:
    with pytest.raises(BadRequest, match="apart from memory"):
        settings(CgroupLimits(swap_bytes=0), V1)
    with pytest.raises(BadRequest, match="apart from memory"):
        settings(CgroupLimits(memory_bytes="max", swap_bytes=0), V1)
    assert settings(CgroupLimits(swap_bytes=0)) == (Setting("memory", "memory.swap.max", "0"),)


@pytest.mark.parametrize(("weight", "shares"), [(1, 10), (50, 512), (100, 1024), (200, 2048), (10_000, 102_400)])
def test_weights_and_shares_keep_their_ratio_as_the_kernel_converts_them(weight: int, shares: int) -> None:
    assert shares_of(weight) == shares
    assert weight_of(shares) == weight


def test_shares_beyond_the_scale_are_its_ends() -> None:
    assert (weight_of(2), weight_of(262_144)) == (1, 10_000)


@pytest.mark.parametrize(
    ("field", "limits"),
    [
        ("cpus", CgroupLimits(cpus=0.001)),
        ("cpus", CgroupLimits(cpus=float("nan"))),
        ("cpu_weight", CgroupLimits(cpu_weight=0)),
        ("cpu_weight", CgroupLimits(cpu_weight=10_001)),
        ("memory_bytes", CgroupLimits(memory_bytes=-1)),
        ("swap_bytes", CgroupLimits(swap_bytes=-1)),
        ("pids", CgroupLimits(pids=0)),
        ("device", CgroupLimits(io=(IoLimit("/dev/vda", read_bytes_per_s=1),))),
        ("read_bytes_per_s", CgroupLimits(io=(IoLimit("8:0", read_bytes_per_s=0),))),
    ],
)
def test_values_that_no_kernel_takes_are_refused_before_anything_is_written(field: str, limits: CgroupLimits) -> None:
    for v1 in ((), V1):
        with pytest.raises(BadRequest) as caught:
            settings(limits, v1)
        assert caught.value.field == field
