"""The rarer figures of a real container: they are its own, or they are none."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from sandboxes import containers, kernel
from sandboxes.containers import ContainerSandbox

pytestmark = pytest.mark.usefixtures("engine_ready")


@pytest.fixture(scope="module")
def box(engine_ready: None) -> Iterator[ContainerSandbox]:
    with containers.container(cpus=0.2) as made:
        yield made


def test_waiting_for_the_cpu_is_counted_for_this_container_alone(box: ContainerSandbox) -> None:
    own = box.cgroup().own_v2
    before = kernel.pressure(box.cgroup())
    assert (before is not None) == (own is not None and kernel.host_pressure() is not None)
    if own is None or before is None:
        pytest.skip("this engine's containers have no cgroup of their own in a version 2 tree")
    assert set(map(int, (own / "cgroup.procs").read_text().split())) == set(box.cgroup().pids())
    with containers.container(cpus=0.5) as neighbour:
        job = box.start("while :; do :; done")
        time.sleep(0.8)
        job.stop()
        after, calm = kernel.pressure(box.cgroup()), kernel.pressure(neighbour.cgroup())
    assert after and calm
    waited_usec = after.cpu.some.total_usec - before.cpu.some.total_usec
    assert waited_usec > 0.2e6
    assert calm.cpu.some.total_usec < waited_usec


def test_a_container_has_weight_cpus_memory_parts_and_runs(box: ContainerSandbox) -> None:
    seen = kernel.details(box.cgroup())
    assert seen.cpu_weight is not None and seen.cpuset_cpus
    assert seen.memory_parts and 0 < seen.memory_parts.anon_bytes < 128 << 20
    assert seen.pids_peak is None or seen.pids_peak >= 1
    assert not seen.frozen


def test_five_namespaces_of_a_container_are_nobody_elses(box: ContainerSandbox) -> None:
    init = box.namespaces()
    groups = {group.kind: group for group in kernel.namespace_groups() if group.inode == init.ids[group.kind]}
    members = set(box.cgroup().pids())
    assert {kind for kind, group in groups.items() if set(group.pids) <= members} >= {"mnt", "pid", "net", "uts", "ipc"}
    assert not set(groups["user"].pids) <= members


def test_its_shields_and_mounts_are_read_from_outside(box: ContainerSandbox) -> None:
    pid = box.namespaces().pid
    shields = {shield.path: shield.how for shield in kernel.shields(pid)}
    assert shields["/proc/sys"] == shields["/sys"] == "read-only"
    assert shields["/proc/keys"] == "masked"
    said = box.run("cat /proc/1/mountinfo").stdout
    assert [mount.target for mount in kernel.parse_mounts(said)] == [mount.target for mount in kernel.mounts(pid)]
