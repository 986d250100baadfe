"""Cgroup files of both versions, as recorded from real kernels, become the same records."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandboxes.errors import SandboxGone, Unavailable
from sandboxes.kernel import Cgroup, cgroup_layout, cgroup_of, parse_cgroup_mounts, parse_membership, sample
from sandboxes.kernel.cgroup_files import flat_keyed, number_or_max
from sandboxes.kernel.cgroup_v2 import parse_cpu_max
from sandboxes.kernel.cgroups import locate

DATA = Path(__file__).parent / "data"
V1, V2 = DATA / "cgroup-v1", DATA / "cgroup-v2"
RECORDED_V1 = Cgroup({name: V1 / name for name in ("cpu", "cpuacct", "memory", "pids")}, None)


def test_version_1_files_become_a_sample() -> None:
    seen = sample(RECORDED_V1)
    assert seen.version == "v1"
    assert seen.cpu.quota_cores == 0.2
    assert (seen.cpu.usage_usec, seen.cpu.periods, seen.cpu.throttled_periods) == (519783, 28, 25)
    assert seen.cpu.throttled_usec == 2004268, "throttled_time is in nanoseconds"
    assert (seen.memory.limit_bytes, seen.memory.peak_bytes) == (32 << 20, 32 << 20)
    assert (seen.memory.limit_hits, seen.memory.oom_kills) == (72, 1)
    assert (seen.pids.limit, seen.pids.limit_hits) == (20, 1)


def test_version_2_files_become_a_sample() -> None:
    seen = sample(Cgroup({}, V2 / "box"))
    assert seen.version == "v2"
    assert seen.cpu.quota_cores == 0.2
    assert (seen.cpu.usage_usec, seen.cpu.periods, seen.cpu.throttled_periods) == (2802857, 142, 140)
    assert seen.cpu.throttled_usec == 11083551, "throttled_usec is in microseconds"
    assert (seen.memory.current_bytes, seen.memory.peak_bytes, seen.memory.limit_bytes) == (2453504, 32 << 20, 32 << 20)
    assert (seen.memory.limit_hits, seen.memory.oom_kills) == (92, 1)
    assert (seen.pids.current, seen.pids.limit, seen.pids.limit_hits) == (20, 20, 1)


def test_every_figure_of_a_sample_names_a_file_that_exists() -> None:
    figures = {"cpu.usage", "cpu.quota", "cpu.throttled", "memory.current", "memory.peak", "memory.limit"}
    figures |= {"memory.limit_hits", "memory.oom_kills", "pids.current", "pids.limit", "pids.limit_hits"}
    for cgroup in (RECORDED_V1, Cgroup({}, V2 / "box")):
        files = sample(cgroup).files
        assert figures <= files.keys()
        assert all(Path(path).is_file() for path in files.values())


def test_no_limit_is_none_and_never_a_huge_number() -> None:
    seen = sample(Cgroup({}, V2 / "bare"))
    assert (seen.cpu.quota_cores, seen.memory.limit_bytes, seen.pids.limit) == (None, None, None)


def test_the_largest_page_count_of_version_1_is_no_limit(tmp_path: Path) -> None:
    folders = {}
    for name in ("cpu", "cpuacct", "memory", "pids"):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        for file in (V1 / name).iterdir():
            (folders[name] / file.name).write_text(file.read_text())
    (folders["memory"] / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (folders["cpu"] / "cpu.cfs_quota_us").write_text("-1\n")
    (folders["pids"] / "pids.max").write_text("max\n")
    seen = sample(Cgroup(folders, None))
    assert (seen.cpu.quota_cores, seen.memory.limit_bytes, seen.pids.limit) == (None, None, None)


def test_before_linux_5_19_the_peak_is_not_known(tmp_path: Path) -> None:
    for file in (V2 / "box").iterdir():
        if file.name != "memory.peak":
            (tmp_path / file.name).write_text(file.read_text())
    assert sample(Cgroup({}, tmp_path)).memory.peak_bytes is None


@pytest.mark.parametrize("name", ["child", "root"])
def test_a_controller_that_is_off_is_unavailable_and_not_zero(name: str) -> None:
    with pytest.raises(Unavailable, match=r"memory\.current"):
        sample(Cgroup({}, V2 / name))


def test_a_cgroup_that_was_removed_is_gone(tmp_path: Path) -> None:
    with pytest.raises(SandboxGone):
        sample(Cgroup({}, tmp_path / "removed"))
    with pytest.raises(SandboxGone):
        Cgroup({}, tmp_path / "removed").pids()


def test_a_controller_in_no_mounted_hierarchy_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="version 2 is not mounted"):
        sample(Cgroup({"pids": V1 / "pids"}, None))


def test_membership_of_a_hybrid_machine_names_every_controller() -> None:
    paths = parse_membership((V1 / "cgroup").read_text())
    assert {"cpu", "memory", "pids", "name=systemd", ""} <= paths.keys()
    assert len(set(paths.values())) == 1


def test_controllers_mounted_together_are_told_apart() -> None:
    assert parse_membership("4:cpu,cpuacct:/a:b\n0::/") == {"cpu": "/a:b", "cpuacct": "/a:b", "": "/"}


def test_a_hybrid_machine_s_folders_are_found() -> None:
    mounts = parse_cgroup_mounts((V1 / "mountinfo").read_text())
    found = locate((V1 / "cgroup").read_text(), mounts)
    path = parse_membership((V1 / "cgroup").read_text())["memory"]
    assert found.v1["memory"] == Path(f"/sys/fs/cgroup/memory{path}")
    assert found.v2 == Path(f"/sys/fs/cgroup/unified{path}")
    assert found.version == "v1", "version 2 is mounted, but holds no memory controller"


def test_a_version_2_machine_s_folder_is_found() -> None:
    found = locate((V2 / "cgroup").read_text(), parse_cgroup_mounts((V2 / "mountinfo").read_text()))
    assert (dict(found.v1), found.v2, found.version) == ({}, Path("/sys/fs/cgroup/box"), "v2")


def test_a_mount_that_shows_only_a_part_is_followed_from_its_root() -> None:
    line = "40 31 0:35 /docker/abc /sys/fs/cgroup/pids ro,nosuid - cgroup cgroup rw,pids"
    mounts = parse_cgroup_mounts(line)
    assert locate("8:pids:/docker/abc/inner", mounts).v1["pids"] == Path("/sys/fs/cgroup/pids/inner")
    assert locate("8:pids:/docker/abc", mounts).v1["pids"] == Path("/sys/fs/cgroup/pids")


def test_no_hierarchy_at_all_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        locate("0::/", ())


def test_the_layout_of_cgroups_is_named() -> None:
    assert cgroup_layout((V1 / "mountinfo").read_text()) == "hybrid"
    assert cgroup_layout((V2 / "mountinfo").read_text()) == "v2"
    assert cgroup_layout("40 31 0:35 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids") == "v1"
    assert cgroup_layout("27 1 254:0 / / rw - ext4 /dev/vda rw") == "none"


def test_a_mount_point_with_a_space_is_unescaped() -> None:
    (mount,) = parse_cgroup_mounts(r"1 2 0:3 / /a\040b rw shared:5 master:1 - cgroup2 cgroup2 rw")
    assert mount.folder == Path("/a b")


@pytest.mark.parametrize(("text", "cores"), [("max 100000\n", None), ("25000 100000\n", 0.25), ("200000 100000", 2.0)])
def test_cpu_max_is_cores(text: str, cores: float | None) -> None:
    assert parse_cpu_max(text) == cores


def test_flat_keyed_files_and_max_are_numbers() -> None:
    assert flat_keyed("max 3\noom 0\n\n") == {"max": 3, "oom": 0}
    assert (number_or_max("max\n"), number_or_max("64\n")) == (None, 64)


def test_this_process_is_in_a_cgroup_that_lists_it() -> None:
    assert os.getpid() in cgroup_of(os.getpid()).pids()
