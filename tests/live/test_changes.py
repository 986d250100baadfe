"""What starting a container did on this machine, and that closing it took all of it back."""

from __future__ import annotations

import os
import subprocess

import pytest

from sandboxes import containers, kernel
from sandboxes.changes import changes
from sandboxes.lifecycle import owner


@pytest.mark.usefixtures("engine_ready")
def test_a_container_is_processes_namespaces_cgroups_mounts_and_a_link_and_nothing_else_stays() -> None:
    with changes() as seen:
        box = containers.container(network=True)
    init, ids, cgroup = box.namespaces().pid, box.namespaces().ids, box.cgroup()
    with changes() as after:
        box.close()
    for found in (seen.created, after.removed):
        assert init in {process.pid for process in found.processes}
        own = {group.kind for group in found.namespaces if group.inode == ids[group.kind]}
        assert own >= {"mnt", "pid", "net", "uts", "ipc"}
        hierarchies = {each.hierarchy for each in found.cgroups if each.path.endswith(f"/{cgroup.folder.name}")}
        assert hierarchies >= {folder.relative_to("/sys/fs/cgroup").parts[0] for folder in cgroup.v1.values()}
        assert hierarchies
        inside = [each.mount for each in found.mounts if each.namespace == ids["mnt"]]
        assert {mount.target: mount.fstype for mount in inside}["/"] == "overlay"
        assert "/proc" in {mount.target for mount in inside}
        assert {"lo", "eth0"} <= {link.name for link in found.links if link.namespace == ids["net"]}
    assert "sleep infinity" in str(seen) and cgroup.folder.name[:40] in str(seen)
    assert init not in {process.pid for process in after.created.processes}


@pytest.mark.skipif(os.geteuid() != 0, reason="new namespaces, cgroups and links need root")
def test_a_container_by_hand_shows_each_thing_that_was_made() -> None:
    script = "ip link add left type veth peer name right && mount -t tmpfs inner /mnt && echo ready && exec sleep 60"
    with changes() as seen:
        child = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", script],
            stdout=subprocess.PIPE,
            text=True,
            env=owner().environment(),
        )
        assert child.stdout and child.stdout.readline() == "ready\n"
        group = kernel.make_cgroup(f"boundaries-{owner().id}/by-hand")
        kernel.attach(group, child.pid)
    ids = kernel.namespaces(child.pid)
    with changes() as after:
        kernel.kill_cgroup(group)
        child.communicate()
        kernel.remove_cgroup(group)
    for found in (seen.created, after.removed):
        assert {group.kind for group in found.namespaces if child.pid in group.pids} == {"net", "mnt"}
        assert {link.name for link in found.links if link.namespace == ids["net"]} == {"lo", "left", "right"}
        mounts = [each.mount for each in found.mounts if each.namespace == ids["mnt"]]
        assert ("/mnt", "tmpfs") in {(mount.target, mount.fstype) for mount in mounts}
        assert {each.path for each in found.cgroups} >= {f"/boundaries-{owner().id}/by-hand"}
