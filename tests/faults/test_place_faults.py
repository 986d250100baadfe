"""A process is killed that has a disk, a network, a published port, a terminal and a warm pool; nothing stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.books import WAITING, book, gone
from tests.machine import left_of

pytestmark = pytest.mark.usefixtures("engine_ready")

OWNING = (
    """
import time, sandboxes.containers as c
pool, net = c.pool(2), c.network("front")
box = c.container(network=net, io="5M", ports={80: None}, files={"/tmp/x": "y"})
box.start("httpd -f -p 80 -h /tmp")
time.sleep(0.3)
assert box.http("/x").body == "y"
terminal = box.terminal()
pool.wait()
"""
    + WAITING
)


def loop_files() -> set[str]:
    """Files behind loop devices (loop(4), sysfs)."""
    found = set()
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            found.add(path.read_text().strip())
        except OSError:
            continue
    return found


def test_a_killed_owner_leaves_no_disk_no_relay_and_no_waiting_container() -> None:
    with book(OWNING) as owning:
        assert owning.read() == "ready"
        assert left_of(owning.id), "there was something to leave"
        owning.kill()
        gone(owning)
    assert not [file for file in loop_files() if owning.id in file]
