"""The rarer figures of a cgroup, from files recorded from real kernels."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandboxes import kernel
from sandboxes.errors import SandboxGone
from sandboxes.kernel import Cgroup
from sandboxes.kernel.cgroup_files import Files
from sandboxes.kernel.cgroup_io import parse_nested, parse_operations, version_2
from sandboxes.kernel.cgroups import locate
from sandboxes.kernel.mounts import parse_cgroup_mounts
from sandboxes.model import IoLimit, IoStat, MemoryParts, Stall, SwapStat

DATA = Path(__file__).parent / "data"
V1, V2 = DATA / "cgroup-v1/limited", DATA / "cgroup-v2"
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "blkio", "freezer", "pids")
HYBRID = Cgroup({name: V1 / name for name in CONTROLLERS}, V1 / "unified")
DISK = Cgroup({}, V2 / "disk")


def test_version_2_files_become_details() -> None:
    seen = kernel.details(DISK)
    assert (seen.version, seen.cpu_weight, seen.cpuset_cpus, seen.frozen) == ("v2", 200, "0", True)
    assert (seen.memory_high_bytes, seen.pids_peak) == (20 << 20, 5)
    assert seen.memory_parts == MemoryParts(anon_bytes=11669504, file_bytes=0, inactive_file_bytes=0)
    assert seen.swap == SwapStat(current_bytes=114688, limit_bytes=4 << 20)
    limit = IoLimit("1:0", write_bytes_per_s=2 << 20, read_operations_per_s=50)
    assert seen.io == (IoStat("1:0", 409600, 4194304, 100, 64, limit),)


def test_version_2_pressure_is_in_percent_and_microseconds() -> None:
    seen = kernel.pressure(DISK)
    assert seen
    assert seen.cpu.some == Stall(31.47, 9.56, 2.35, 7741030)
    assert seen.memory.full == Stall(39.85, 20.86, 5.3, 20889472)
    assert seen.io.some.total_usec == 3822823


def test_version_1_files_become_the_same_details() -> None:
    seen = kernel.details(HYBRID)
    assert (seen.version, seen.cpu_weight, seen.cpuset_cpus, seen.frozen) == ("v1", 50, "0", True)
    assert (seen.memory_high_bytes, seen.pids_peak) == (None, None), "nor was the file of the peak recorded"
    assert seen.memory_parts == MemoryParts(anon_bytes=155648, file_bytes=5324800, inactive_file_bytes=5238784)
    assert seen.swap == SwapStat(current_bytes=0, limit_bytes=1 << 20), "memory+swap less memory"
    limit = IoLimit("254:0", read_bytes_per_s=4 << 20, write_operations_per_s=20)
    assert seen.io == (IoStat("254:0", 10563584, 5242880, 34, 20, limit),)


def test_a_hybrid_machine_has_pressure_in_its_version_2_tree() -> None:
    seen = kernel.details(HYBRID).pressure
    assert seen and seen.io.some == Stall(22.13, 5.18, 1.12, 3395948)


def test_every_figure_names_a_file_that_exists() -> None:
    figures = {"cpu.weight", "cpuset.cpus", "memory.parts", "swap.current", "swap.limit", "io.count", "io.limit"}
    figures |= {"pressure.cpu", "pressure.memory", "pressure.io"}
    for cgroup in (HYBRID, DISK):
        files = kernel.details(cgroup).files
        assert figures <= files.keys()
        assert all(Path(path).is_file() for path in files.values())


def test_where_nothing_is_switched_on_every_figure_is_none() -> None:
    seen = kernel.details(Cgroup({}, V2 / "child"))
    assert (seen.cpu_weight, seen.cpuset_cpus, seen.memory_parts, seen.swap, seen.io) == (None,) * 5


def test_a_root_has_no_pressure_of_its_own() -> None:
    assert kernel.pressure(Cgroup({}, V2 / "root")) is None


@pytest.mark.parametrize(
    ("path", "own"), [("/box", True), ("/", False), ("/elsewhere", False)], ids=["same path", "root", "another path"]
)
def test_a_version_2_cgroup_at_another_path_holds_others_too(path: str, own: bool, tmp_path: Path) -> None:
    mounts = parse_cgroup_mounts(
        f"1 0 0:1 / {tmp_path}/pids rw - cgroup cgroup rw,pids\n1 0 0:2 / {tmp_path}/all rw - cgroup2 cgroup2 rw"
    )
    found = locate(f"2:pids:/box\n0::{path}", mounts)
    assert found.v2
    found.v2.mkdir(parents=True)
    (found.v2 / "cgroup.type").write_text("domain\n")
    for resource in ("cpu", "memory", "io"):
        (found.v2 / f"{resource}.pressure").write_text((V2 / f"disk/{resource}.pressure").read_text())
    assert (kernel.pressure(found) is not None) == own


def test_a_cgroup_that_was_removed_is_gone(tmp_path: Path) -> None:
    with pytest.raises(SandboxGone):
        kernel.details(Cgroup({}, tmp_path / "removed"))
    with pytest.raises(SandboxGone):
        kernel.details(Cgroup({"blkio": tmp_path / "removed"}, None))


def test_before_linux_5_13_nobody_waits_in_full_for_a_cpu() -> None:
    seen = kernel.parse_pressure("some avg10=0.12 avg60=0.00 avg300=1.50 total=77\n")
    assert seen.some == Stall(0.12, 0.0, 1.5, 77)
    assert seen.full is None


def test_devices_without_figures_and_with_max_are_read() -> None:
    assert parse_nested("8:0\n8:16 rbps=max wbps=5 junk\n") == {"8:0": {}, "8:16": {"wbps": 5}}
    assert parse_operations("8:0 Read 5\n8:0 Total 9\nTotal 9\n") == {"8:0": {"Read": 5}}


def test_a_disk_that_has_no_number_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "io.max").write_text("8:0 rbps=max wbps=5 riops=max wiops=max\n")
    (tmp_path / "io.stat").write_text(
        "(unknown) rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n8:0 rbytes=5 wbytes=6 rios=7 wios=8 dbytes=0\n"
    )
    assert version_2(Files(), tmp_path) == (IoStat("8:0", 5, 6, 7, 8, IoLimit("8:0", write_bytes_per_s=5)),)
    assert parse_operations("(unknown) Read 5\n8:0 Read 6\n(unknown) Total 5\n") == {"8:0": {"Read": 6}}


def test_figures_belong_to_the_last_device_before_them() -> None:
    assert parse_nested("7:7 7:6 8:0 rbytes=28672 wbytes=0\n") == {"8:0": {"rbytes": 28672, "wbytes": 0}}


def test_the_machine_s_own_pressure_is_read_where_its_kernel_keeps_it() -> None:
    seen = kernel.host_pressure()
    assert (seen is not None) == Path("/proc/pressure/cpu").exists()
    assert seen is None or seen.cpu.some.total_usec >= 0
