"""Cgroups that we make ourselves: each limit is set through the writer and met by a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandboxes import kernel
from sandboxes.errors import BadRequest, RunTimeout, SandboxGone, Unavailable
from sandboxes.kernel import Cgroup
from sandboxes.lifecycle import owner
from sandboxes.model import CgroupLimits, IoLimit

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="making cgroups needs root"),
    pytest.mark.usefixtures("cgroups_ready"),
]

SPIN = ["sh", "-c", "while :; do :; done"]
CROWD = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"


def _waiting(argv: list[str]) -> subprocess.Popen[str]:
    """A process that becomes `argv` when it is told to go."""
    return subprocess.Popen(
        ["/bin/sh", "-c", 'read -r go; exec "$@" </dev/null', "sh", *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=owner().environment(),
    )


def _folders_named(name: str) -> list[Path]:
    return list(Path("/sys/fs/cgroup").glob(f"**/{name}"))


def _go(child: subprocess.Popen[str]) -> None:
    assert child.stdin
    child.stdin.write("go\n")
    child.stdin.flush()


@pytest.fixture
def group() -> Iterator[Cgroup]:
    """An empty cgroup with all controllers."""
    made = kernel.make_cgroup(f"boundaries-{owner().id}/writer-{time.monotonic_ns()}")
    yield made
    kernel.kill_cgroup(made)
    kernel.remove_cgroup(made)


@pytest.fixture
def run(group: Cgroup) -> Iterator[Callable[[list[str]], subprocess.Popen[str]]]:
    """Starts a program that is a member of the cgroup from its first instruction on."""
    started: list[subprocess.Popen[str]] = []

    def begin(argv: list[str]) -> subprocess.Popen[str]:
        started.append(_waiting(argv))
        kernel.attach(group, started[-1].pid)
        _go(started[-1])
        return started[-1]

    yield begin
    kernel.kill_cgroup(group)
    for child in started:
        child.communicate()


def test_a_new_cgroup_is_empty_and_without_limits(group: Cgroup) -> None:
    seen = kernel.sample(group)
    assert (seen.cpu.quota_cores, seen.memory.limit_bytes, seen.pids.limit) == (None, None, None)
    assert group.pids() == ()


def test_an_attached_process_is_a_member_in_every_hierarchy(
    group: Cgroup, run: Callable[..., subprocess.Popen[str]]
) -> None:
    child = run(["sleep", "30"])
    assert group.pids() == (child.pid,)
    seen = kernel.cgroup_of(child.pid)
    assert {name: seen.v1[name] for name in group.v1} == dict(group.v1)
    assert group.v2 in (None, seen.v2)


def test_limits_are_in_the_kernels_files_and_change_and_are_lifted(group: Cgroup) -> None:
    kernel.set_limits(group, CgroupLimits(cpus=0.25, memory_bytes=32 << 20, pids=10))
    seen = kernel.sample(group)
    assert (seen.cpu.quota_cores, seen.memory.limit_bytes, seen.pids.limit) == (0.25, 32 << 20, 10)
    kernel.set_limits(group, CgroupLimits(memory_bytes=64 << 20, swap_bytes=0))
    kernel.set_limits(group, CgroupLimits(memory_bytes=128 << 20))
    kernel.set_limits(group, CgroupLimits(memory_bytes=48 << 20))
    seen = kernel.sample(group)
    assert (seen.cpu.quota_cores, seen.memory.limit_bytes, seen.pids.limit) == (0.25, 48 << 20, 10)
    kernel.set_limits(group, CgroupLimits(cpus="max", memory_bytes="max", swap_bytes="max", pids="max"))
    seen = kernel.sample(group)
    assert (seen.cpu.quota_cores, seen.memory.limit_bytes, seen.pids.limit) == (None, None, None)


def test_a_parent_limits_what_is_below_it_together() -> None:
    name = f"boundaries-{owner().id}/parent-{time.monotonic_ns()}"
    group, parent = kernel.make_cgroup(f"{name}/child", ("pids",)), kernel.named_cgroup(name)
    child = _waiting(["sh", "-c", "for i in $(seq 10); do sleep 1 & done; wait"])
    try:
        assert parent.folder == group.folder.parent
        kernel.set_limits(parent, CgroupLimits(pids=4))
        kernel.attach(group, child.pid)
        _go(child)
        assert "fork" in (child.communicate(timeout=20)[0] or "")
    finally:
        kernel.kill_cgroup(parent)
        child.communicate()
        kernel.remove_cgroup(parent)


def test_a_new_cpuset_has_its_parents_cpus_until_it_is_given_fewer() -> None:
    group = kernel.make_cgroup(f"boundaries-{owner().id}/set-{time.monotonic_ns()}", ("cpuset",))
    child = subprocess.Popen(["sleep", "30"], env=owner().environment())
    try:
        kernel.attach(group, child.pid)
        assert os.sched_getaffinity(child.pid) == os.sched_getaffinity(0)
        kernel.set_limits(group, CgroupLimits(cpuset_cpus="0"))
        assert os.sched_getaffinity(child.pid) == {0}
        assert kernel.details(group).cpuset_cpus == "0"
    finally:
        kernel.kill_cgroup(group)
        child.wait()
        kernel.remove_cgroup(group)


def test_a_cgroup_goes_with_those_below_it() -> None:
    name = f"boundaries-{owner().id}/outer-{time.monotonic_ns()}"
    inner = kernel.make_cgroup(f"{name}/middle/inner")
    kernel.remove_cgroup(kernel.named_cgroup(name))
    assert not any(folder.exists() for folder in inner.folders)
    with pytest.raises(SandboxGone):
        kernel.named_cgroup(name)


def test_without_root_a_cgroup_is_unavailable_and_the_reason_is_said() -> None:
    script = (
        "import os\nfrom sandboxes import kernel\nfrom sandboxes.errors import Unavailable\nos.setuid(65534)\n"
        "try: kernel.make_cgroup('boundaries-0/x')\nexcept Unavailable as error: print(error.seen)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "Permission denied" in done.stdout


def test_a_quota_bounds_the_cpu_time(group: Cgroup, run: Callable[..., subprocess.Popen[str]]) -> None:
    kernel.set_limits(group, CgroupLimits(cpus=0.2))
    before = kernel.sample(group)
    run(SPIN)
    time.sleep(1)
    after = kernel.sample(group)
    cores = (after.cpu.usage_usec - before.cpu.usage_usec) / 1e6 / (after.at_s - before.at_s)
    assert 0.03 < cores < 0.25
    assert after.cpu.throttled_periods > before.cpu.throttled_periods
    pressure = kernel.pressure(group)
    if kernel.host_pressure() and group.own_v2:
        assert pressure and pressure.cpu.some.total_usec > 0.3e6, "throttled is waiting for the CPU"


def test_weights_share_one_cpu_in_their_ratio() -> None:
    name = f"boundaries-{owner().id}/weights-{time.monotonic_ns()}"
    groups = [kernel.make_cgroup(f"{name}/{weight}", ("cpu", "pids", "memory")) for weight in (100, 400)]
    children = []
    try:
        for group, weight in zip(groups, (100, 400), strict=True):
            kernel.set_limits(group, CgroupLimits(cpu_weight=weight))
            children.append(subprocess.Popen(["taskset", "-c", "0", *SPIN], env=owner().environment()))
            kernel.attach(group, children[-1].pid)
        begun = [kernel.sample(group).cpu.usage_usec for group in groups]
        time.sleep(1.5)
        ended = [kernel.sample(group).cpu.usage_usec for group in groups]
        light, heavy = (after - before for before, after in zip(begun, ended, strict=True))
        assert 3 < heavy / light < 5
    finally:
        for group in groups:
            kernel.kill_cgroup(group)
            kernel.remove_cgroup(group)
        for child in children:
            child.wait()
        for folder in {folder.parent for group in groups for folder in group.folders}:
            folder.rmdir()


def test_memory_beyond_the_limit_is_killed_and_counted(
    group: Cgroup, run: Callable[..., subprocess.Popen[str]]
) -> None:
    kernel.set_limits(group, CgroupLimits(memory_bytes=24 << 20, swap_bytes=0))
    child = run(["sh", "-c", "head -c 200000000 /dev/zero | tail > /dev/null; echo $?"])
    assert "137" in (child.communicate(timeout=20)[0] or "")
    seen = kernel.sample(group).memory
    assert seen.oom_kills > 0
    assert seen.peak_bytes is None or 20 << 20 < seen.peak_bytes <= 24 << 20


def test_processes_beyond_the_limit_are_refused_and_counted(
    group: Cgroup, run: Callable[..., subprocess.Popen[str]]
) -> None:
    kernel.set_limits(group, CgroupLimits(pids=8))
    child = run(["sh", "-c", "for i in $(seq 20); do sleep 1 & done; wait"])
    assert "fork" in (child.communicate(timeout=20)[0] or "")
    assert kernel.sample(group).pids.limit_hits > 0


def test_writing_to_a_disk_is_slowed_to_its_limit(
    group: Cgroup, run: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    device = _disk_of(tmp_path)
    kernel.set_limits(group, CgroupLimits(io=(IoLimit(device, write_bytes_per_s=2 << 20),)))
    begun = time.monotonic()
    child = run(["dd", "if=/dev/zero", f"of={tmp_path / 'written'}", "bs=256K", "count=12", "oflag=direct"])
    said = child.communicate(timeout=30)[0] or ""
    if child.returncode != 0:
        pytest.skip(f"no direct writes here: {said}")
    assert 0.9 < time.monotonic() - begun < 10, "3 MiB at 2 MiB a second, of which some go at once"
    (seen,) = (stat for stat in kernel.details(group).io or () if stat.device == device)
    assert (seen.write_bytes, seen.limit.write_bytes_per_s) == (3 << 20, 2 << 20)


def _disk_of(path: Path) -> str:
    """MAJOR:MINOR of the whole disk: a partition cannot be limited."""
    number = path.stat().st_dev
    entry = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not entry.exists():
        pytest.skip(f"{path} is on no block device")
    disk = entry.resolve()
    return ((disk.parent if (disk / "partition").exists() else disk) / "dev").read_text().strip()


def test_a_frozen_cgroup_gets_no_cpu_time_until_it_is_thawed(
    group: Cgroup, run: Callable[..., subprocess.Popen[str]]
) -> None:
    run(SPIN)
    kernel.freeze_cgroup(group)
    assert kernel.is_frozen(group)
    before = kernel.sample(group).cpu.usage_usec
    time.sleep(0.2)
    assert kernel.sample(group).cpu.usage_usec - before < 2000
    kernel.thaw_cgroup(group)
    assert not kernel.is_frozen(group)
    time.sleep(0.3)
    assert kernel.sample(group).cpu.usage_usec - before > 2000


@pytest.mark.parametrize("whole", [True, False], ids=["cgroup.kill", "one by one"])
@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "running"])
def test_a_crowd_that_forks_is_killed_to_the_last(whole: bool, frozen: bool) -> None:
    group = kernel.make_cgroup(f"boundaries-{owner().id}/crowd-{time.monotonic_ns()}", unified=whole)
    child = _waiting([sys.executable, "-S", "-c", CROWD])
    try:
        kernel.set_limits(group, CgroupLimits(pids=40, cpus=0.4, memory_bytes=128 << 20))
        kernel.attach(group, child.pid)
        _go(child)
        until = time.monotonic() + 20
        while len(group.pids()) < 30 and time.monotonic() < until:
            time.sleep(0.02)
        if frozen:
            kernel.freeze_cgroup(group, deadline_s=10)
        assert len(group.pids()) >= 30
    finally:
        kernel.kill_cgroup(group)
        assert group.pids() == ()
        kernel.remove_cgroup(group)
        assert child.wait(timeout=5) == -signal.SIGKILL
        child.communicate()


def test_a_cgroup_that_is_removed_is_gone_from_every_hierarchy() -> None:
    group = kernel.make_cgroup(f"boundaries-{owner().id}/once-{time.monotonic_ns()}")
    assert _folders_named(group.folder.name)
    kernel.remove_cgroup(group)
    kernel.remove_cgroup(group)
    assert not _folders_named(group.folder.name)
    with pytest.raises(SandboxGone):
        kernel.set_limits(group, CgroupLimits(pids=5))
    with pytest.raises(SandboxGone):
        kernel.attach(group, os.getpid())


def test_a_controller_of_version_2_is_switched_on_from_the_root_down() -> None:
    root = next((mount.folder for mount in kernel.parse_cgroup_mounts(_mountinfo()) if mount.version == 2), None)
    offered = set((root / "cgroup.controllers").read_text().split()) if root else set()
    if not root or "hugetlb" not in offered:
        pytest.skip("no version 2 tree with a controller to try")
    before = (root / "cgroup.subtree_control").read_text().split()
    group = kernel.make_cgroup(f"boundaries-{owner().id}/huge", ("hugetlb",))
    try:
        assert group.v2 and "hugetlb" in (group.v2 / "cgroup.controllers").read_text().split()
    finally:
        kernel.remove_cgroup(group)
        if "hugetlb" not in before:
            (group.folder.parent / "cgroup.subtree_control").write_text("-hugetlb")
            (root / "cgroup.subtree_control").write_text("-hugetlb")


def _mountinfo() -> str:
    return Path("/proc/self/mountinfo").read_text()


def test_a_cgroup_with_processes_is_not_removed(group: Cgroup, run: Callable[..., subprocess.Popen[str]]) -> None:
    child = run(["sleep", "30"])
    with pytest.raises(RunTimeout, match="still has processes"):
        kernel.remove_cgroup(group, deadline_s=0.05)
    assert child.pid in group.pids()


def test_a_name_that_is_taken_is_refused_and_what_was_there_stays(group: Cgroup) -> None:
    name = f"boundaries-{str(group.folder).partition('/boundaries-')[2]}"
    with pytest.raises(BadRequest, match="is taken"):
        kernel.make_cgroup(name)
    assert all(folder.is_dir() for folder in group.folders)


@pytest.mark.parametrize("name", ["", "/", "../x", "a//b", "a/../b", "/a", ".x"])
def test_names_that_leave_their_place_are_refused(name: str) -> None:
    with pytest.raises(BadRequest):
        kernel.make_cgroup(name)


def test_a_controller_that_does_not_exist_is_unavailable_and_leaves_nothing() -> None:
    with pytest.raises(Unavailable, match="bogus"):
        kernel.make_cgroup(f"boundaries-{owner().id}/bogus-controller", ("cpu", "bogus"))
    assert not _folders_named("bogus-controller")


def test_a_value_that_the_kernel_refuses_is_a_bad_request(group: Cgroup) -> None:
    with pytest.raises(BadRequest, match="refused by the kernel"):
        kernel.set_limits(group, CgroupLimits(io=(IoLimit("999:999", read_bytes_per_s=1 << 20),)))


def test_a_cgroup_with_other_processes_is_neither_frozen_nor_killed_nor_removed() -> None:
    everybody = kernel.cgroup_of(os.getpid())
    for act in (kernel.freeze_cgroup, kernel.kill_cgroup, kernel.remove_cgroup):
        with pytest.raises(BadRequest, match="other processes"):
            act(everybody)
