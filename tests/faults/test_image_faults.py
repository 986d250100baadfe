"""A book killed while it makes an image: no process, no mount, and the next one clears what it left in the cache."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from sandboxes.containers.images.debian import _recipe
from sandboxes.lifecycle.cache import kept
from sandboxes.lifecycle.guard import marked_processes
from tests.faults.books import Book

MAKING = """
from sandboxes.containers.images.debian import debian_image
debian_image()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="without root the mounts are in a user namespace")
def test_a_book_killed_while_it_makes_the_debian_image_leaves_nothing_running_or_mounted(tmp_path: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        pytest.skip("no mmdebstrap")
    book = Book(MAKING, XDG_CACHE_HOME=str(tmp_path))
    images = tmp_path / "boundaries/images"
    until = time.monotonic() + 60
    while not list(images.glob(".debian-*/mmdebstrap.*/etc")) and time.monotonic() < until:
        time.sleep(0.05)
    assert len(list(marked_processes(book.id))) >= 3, "unshare, mmdebstrap and what it started"
    book.process.kill()
    book.process.wait()
    while list(marked_processes(book.id)) and time.monotonic() < until:
        time.sleep(0.05)
    assert list(marked_processes(book.id)) == []
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    kept(images / f"debian-{_recipe()}.tar", lambda fresh: fresh.write_bytes(b"made by the next one") and None)
    assert not list(images.glob(".debian-*-*/"))
