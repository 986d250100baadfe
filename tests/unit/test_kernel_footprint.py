"""What a process holds, from the texts of its /proc."""

from __future__ import annotations

import os
import socket
import tempfile

import pytest

from sandboxes import kernel

ROLLUP = """55d0c0c7e000-7ffd1d5e9000 ---p 00000000 00:00 0                          [rollup]
Rss:               66560 kB
Pss:               28160 kB
Pss_Dirty:         20000 kB
Shared_Clean:      40960 kB
Shared_Dirty:       1024 kB
Private_Clean:      4096 kB
Private_Dirty:     20480 kB
Swap:                  8 kB
SwapPss:               8 kB
Locked:                0 kB
"""


def test_shared_and_private_pages_are_all_pages() -> None:
    seen = kernel.parse_footprint(ROLLUP)
    assert (seen.rss_bytes, seen.pss_bytes, seen.swap_bytes) == (66560 << 10, 28160 << 10, 8 << 10)
    assert seen.shared_bytes + seen.private_bytes == seen.rss_bytes


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("socket:[4360554]", "socket"),
        ("pipe:[12]", "pipe"),
        ("anon_inode:[eventfd]", "eventfd"),
        ("anon_inode:kvm-vm", "kvm-vm"),
        ("anon_inode:kvm-vcpu:0", "kvm-vcpu"),
        ("/memfd:guest-state (deleted)", "memfd"),
        ("/dev/kvm", "device"),
        ("/root/vmlinux", "file"),
        ("net:[4026531833]", "net"),
    ],
)
def test_an_open_file_is_told_by_where_its_link_points(target: str, kind: str) -> None:
    assert kernel.descriptor_kind(target) == kind


def test_our_own_open_files_are_found() -> None:
    with socket.socket() as one, tempfile.TemporaryFile() as two, open("/dev/null", "rb") as three:
        found = {descriptor.number: descriptor.kind for descriptor in kernel.descriptors(os.getpid())}
        assert [found[file.fileno()] for file in (one, two, three)] == ["socket", "file", "device"]
