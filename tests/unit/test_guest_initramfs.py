"""The guest's file system in the cache."""

from __future__ import annotations

import os
import time
from pathlib import Path

from sandboxes.guests.initramfs import UNUSED_S, forget_unused


def test_an_archive_that_nothing_booted_from_for_a_week_is_gone(tmp_path: Path) -> None:
    used, unused, other = tmp_path / "a.cpio", tmp_path / "b.cpio", tmp_path / "other"
    for path in (used, unused, other):
        path.write_bytes(b"070701")
    for path in (unused, other):
        os.utime(path, (0, time.time() - UNUSED_S - 60))
    forget_unused(tmp_path)
    assert (used.is_file(), unused.exists(), other.is_file()) == (True, False, True)
