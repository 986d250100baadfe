"""Version 2 of cgroups, on a kernel that has nothing else: what the writer would write is written in a guest."""

from __future__ import annotations

import base64
import itertools
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandboxes import kernel
from sandboxes.guests import GuestSandbox, guest, needed_kernel
from sandboxes.kernel import Cgroup
from sandboxes.model import CgroupLimits, IoLimit

pytestmark = pytest.mark.usefixtures("guest_ready")

TREE = "/sys/fs/cgroup"
JOIN = "echo 0 > {folder}/cgroup.procs; "


class Inside:
    """A cgroup of the guest: written to with the pairs of settings(), copied out to be read by our own reader."""

    def __init__(self, vm: GuestSandbox, name: str, copies: Path) -> None:
        self.vm, self.folder, self._copies, self._readings = vm, f"{TREE}/{name}", copies, itertools.count()
        assert vm.run(["mkdir", self.folder]).exit_code == 0

    def limit(self, limits: CgroupLimits) -> None:
        for setting in kernel.settings(limits):
            done = self.vm.run(
                ["sh", "-c", 'printf %s "$1" > "$2"', "sh", setting.text, f"{self.folder}/{setting.file}"]
            )
            assert done.exit_code == 0, done.stderr

    def write(self, file: str, text: str) -> None:
        assert self.vm.run(f"echo {text} > {self.folder}/{file}").exit_code == 0

    def read(self) -> Cgroup:
        """The cgroup as a folder here, with every file as the guest's kernel filled it in now."""
        folder = self._copies / f"{Path(self.folder).name}-{next(self._readings)}"
        folder.mkdir()
        said = self.vm.run(f'cd {self.folder}; for f in [cmip]*.*; do echo "==> $f"; cat $f 2>/dev/null; done').stdout
        for part in said.split("==> ")[1:]:
            name, _, content = part.partition("\n")
            (folder / name).write_text(content)
        return Cgroup({}, folder)

    def run(self, command: str) -> str:
        done = self.vm.run(JOIN.format(folder=self.folder) + command)
        return done.stdout + done.stderr

    def start(self, command: str) -> None:
        self.vm.start(JOIN.format(folder=self.folder) + command)


@pytest.fixture(scope="module")
def vm(guest_ready: None) -> Iterator[GuestSandbox]:
    with guest(name="v2", containers=True) as running:
        yield running


@pytest.fixture
def inside(vm: GuestSandbox, tmp_path: Path) -> Iterator[Callable[[str], Inside]]:
    made: list[Inside] = []

    def make(name: str) -> Inside:
        made.append(Inside(vm, name, tmp_path))
        return made[-1]

    yield make
    for one in made:
        one.write("cgroup.kill", "1")
        assert one.vm.run(f"until rmdir {one.folder} 2>/dev/null; do sleep 0.05; done", timeout_s=10).exit_code == 0


def test_the_guest_has_version_2_and_nothing_else(vm: GuestSandbox) -> None:
    assert kernel.cgroup_layout(vm.run("cat /proc/self/mountinfo").stdout) == "v2"
    assert kernel.parse_membership(vm.run("cat /proc/self/cgroup").stdout) == {"": "/"}


def test_every_limit_arrives_and_is_lifted_again(inside: Callable[[str], Inside]) -> None:
    box = inside("limits")
    box.limit(CgroupLimits(0.25, 300, "0", 64 << 20, 8 << 20, 32))
    sample, details = kernel.sample(box.read()), kernel.details(box.read())
    assert (sample.cpu.quota_cores, sample.memory.limit_bytes, sample.pids.limit) == (0.25, 64 << 20, 32)
    assert (details.cpu_weight, details.cpuset_cpus) == (300, "0")
    assert details.swap and details.swap.limit_bytes == 8 << 20
    box.limit(CgroupLimits(cpus="max", memory_bytes="max", swap_bytes="max", pids="max"))
    sample, details = kernel.sample(box.read()), kernel.details(box.read())
    assert (sample.cpu.quota_cores, sample.memory.limit_bytes, sample.pids.limit) == (None, None, None)
    assert details.swap and details.swap.limit_bytes is None


def test_a_quota_bounds_the_cpu_time(inside: Callable[[str], Inside]) -> None:
    box = inside("quota")
    box.limit(CgroupLimits(cpus=0.2))
    before = kernel.sample(box.read()).cpu
    box.run("timeout 1.5 sh -c 'while :; do :; done'")
    after = kernel.sample(box.read()).cpu
    assert 0.02e6 < after.usage_usec - before.usage_usec < 0.2e6 * 1.5 * 1.3
    assert after.throttled_periods > before.throttled_periods
    pressure = kernel.pressure(box.read())
    assert pressure and pressure.cpu.some.total_usec > 0.5e6, "throttled is waiting for the CPU"


def test_weights_share_one_cpu_in_their_ratio(inside: Callable[[str], Inside], vm: GuestSandbox) -> None:
    light, heavy = inside("light"), inside("heavy")
    for box, weight in ((light, 100), (heavy, 400)):
        box.limit(CgroupLimits(cpu_weight=weight, cpuset_cpus="0"))
        box.write("cgroup.freeze", "1")
        box.start("while :; do :; done")
    switches = f"{light.folder}/cgroup.freeze {heavy.folder}/cgroup.freeze"
    vm.run(f"echo 0 | tee {switches}; sleep 1.5; echo 1 | tee {switches}")
    used = [kernel.sample(box.read()).cpu.usage_usec for box in (light, heavy)]
    assert 2.5 < used[1] / used[0] < 6


def test_memory_beyond_the_limit_is_killed_and_counted(inside: Callable[[str], Inside]) -> None:
    box = inside("memory")
    box.limit(CgroupLimits(memory_bytes=16 << 20, swap_bytes=0))
    assert "137" in box.run("head -c 100000000 /dev/zero | tail > /dev/null; echo $?")
    seen = kernel.sample(box.read()).memory
    assert (seen.oom_kills, seen.peak_bytes) == (1, 16 << 20)
    assert seen.limit_hits > 0


def test_processes_beyond_the_limit_are_refused_and_counted(inside: Callable[[str], Inside]) -> None:
    box = inside("pids")
    box.limit(CgroupLimits(pids=10))
    assert "can't fork" in box.run("for i in $(seq 30); do sleep 1 & done")
    seen = kernel.sample(box.read()).pids
    assert seen.limit_hits > 0 and seen.current <= 10


def test_frozen_processes_stand_still_and_can_be_killed(inside: Callable[[str], Inside]) -> None:
    box = inside("frozen")
    box.start("while :; do :; done")
    time.sleep(0.3)
    box.write("cgroup.freeze", "1")
    time.sleep(0.2)
    assert kernel.is_frozen(box.read())
    before = kernel.sample(box.read()).cpu.usage_usec
    time.sleep(0.3)
    assert kernel.sample(box.read()).cpu.usage_usec == before
    box.write("cgroup.kill", "1")
    time.sleep(0.3)
    assert box.read().pids() == ()


def test_a_disk_is_slowed_to_its_limit_and_counted(
    inside: Callable[[str], Inside], vm: GuestSandbox, tmp_path: Path, soak: bool
) -> None:
    if not soak:
        pytest.skip("a guest has no disk: a long campaign fetches the module for one")
    vm.run(
        [
            "sh",
            "-c",
            'echo "$1" | base64 -d > /brd.ko && insmod /brd.ko rd_nr=1 rd_size=32768',
            "sh",
            _ram_disk(tmp_path),
        ]
    )
    device = vm.run("cat /sys/block/ram0/dev").stdout.strip()
    box = inside("disk")
    box.limit(CgroupLimits(io=(IoLimit(device, write_bytes_per_s=2 << 20, read_operations_per_s=50),)))
    assert 1.5 < _seconds(box.run("time dd if=/dev/zero of=/dev/ram0 bs=64k count=64 oflag=direct")) < 6
    assert 1.5 < _seconds(box.run("time dd if=/dev/ram0 of=/dev/null bs=4k count=100 iflag=direct")) < 6
    (seen,) = kernel.details(box.read()).io or ()
    assert (seen.read_bytes, seen.write_bytes, seen.read_operations, seen.write_operations) == (
        409600,
        4 << 20,
        100,
        64,
    )
    assert (seen.limit.write_bytes_per_s, seen.limit.read_operations_per_s) == (2 << 20, 50)


def _ram_disk(folder: Path) -> str:
    """The module brd.ko of the guest's kernel, in base64."""
    package = needed_kernel().package
    subprocess.run(["apt-get", "download", package], cwd=folder, check=True, capture_output=True)
    (archive,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", archive, folder / "tree"], check=True)
    (module,) = (folder / "tree").glob("lib/modules/*/kernel/drivers/block/brd.ko")
    return base64.b64encode(module.read_bytes()).decode()


def _seconds(said: str) -> float:
    """From the line "real 0m 1.95s" of busybox."""
    minutes, seconds = next(line for line in said.splitlines() if line.startswith("real")).split()[1:]
    return int(minutes.rstrip("m")) * 60 + float(seconds.rstrip("s"))
