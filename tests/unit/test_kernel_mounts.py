"""Mounts of a process, and which parts of /proc and /sys an engine hides from it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from sandboxes import kernel
from sandboxes.errors import SandboxGone

RECORDED = Path(__file__).parent / "data/container"
OPEN = (RECORDED / "open/mountinfo").read_text()
LINE = r"36 35 98:0 /mnt1 /a\040b\134c rw,noatime shared:5 master:1 - ext3 /dev/root rw,errors=continue"


def test_a_line_of_mountinfo_becomes_a_mount() -> None:
    (seen,) = kernel.parse_mounts(LINE)
    assert (seen.id, seen.parent_id, seen.device, seen.root, seen.target) == (36, 35, "98:0", "/mnt1", "/a b\\c")
    assert (seen.options, seen.propagation) == (("rw", "noatime"), ("shared:5", "master:1"))
    assert (seen.fstype, seen.source, seen.fs_options) == ("ext3", "/dev/root", ("rw", "errors=continue"))


def test_a_container_s_root_is_an_overlay_that_propagates_nowhere() -> None:
    root = next(mount for mount in kernel.parse_mounts(OPEN) if mount.target == "/")
    assert (root.fstype, root.propagation) == ("overlay", ())
    assert any(option.startswith("upperdir=") for option in root.fs_options)


@pytest.mark.parametrize("profile", ["open", "hardened"])
def test_what_an_engine_hides_is_told_from_what_it_makes_read_only(profile: str) -> None:
    text = (RECORDED / profile / "mountinfo").read_text()
    seen = {shield.path: shield.how for shield in kernel.find_shields(kernel.parse_mounts(text))}
    assert seen == {
        **dict.fromkeys(("/proc/acpi", "/proc/keys", "/proc/timer_list", "/sys/firmware"), "masked"),
        **dict.fromkeys(("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/sys"), "read-only"),
    }


def test_the_host_hides_nothing_by_mounting_its_cgroups() -> None:
    text = (RECORDED.parent / "cgroup-v1/mountinfo").read_text()
    assert kernel.find_shields(kernel.parse_mounts(text)) == ()


def test_the_mount_on_top_counts() -> None:
    below = "50 40 0:5 /null /proc/kcore ro - devtmpfs devtmpfs rw"
    above = "51 40 0:6 /kcore /proc/kcore rw - proc proc rw"
    assert kernel.find_shields(kernel.parse_mounts(f"{below}\n{above}")) == ()


def test_our_own_mounts_are_those_of_findmnt() -> None:
    """What was mounted before and after findmnt looked, spaces in names and all."""
    words = ["findmnt", "--list", "--json", "-o", "TARGET,FSTYPE,OPTIONS"]
    before = kernel.mounts(os.getpid())
    listed = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)["filesystems"]
    stable = set(before) & set(kernel.mounts(os.getpid()))
    theirs = {(each["target"], each["fstype"]) for each in listed}
    assert {(mount.target, mount.fstype) for mount in stable} <= theirs
    assert len(stable) > 3


def test_a_process_that_ended_has_no_mounts() -> None:
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    for look in (kernel.mounts, kernel.shields):
        with pytest.raises(SandboxGone):
            look(child.pid)
