"""A notebook kernel is killed in the middle of a page; nothing of its sandboxes is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from sandboxes.lifecycle import owner
from tests.machine import Photograph, settled

pytestmark = [
    pytest.mark.usefixtures("engine_ready", "guest_ready"),
    pytest.mark.soak,
    pytest.mark.timeout(3600),
]

PAGE = """
import sandboxes as sb
from sandboxes.lifecycle import owner
box, vm = sb.container(network=True), sb.guest()
job = box.start("while :; do :; done")
print(owner().guard_pid, box.run("echo ready"))
"""


@contextmanager
def kernel() -> Iterator[tuple[KernelManager, int]]:
    """A kernel that has started a container and a guest, and the pid of its guard."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield manager, _guard(client)
    finally:
        client.stop_channels()
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)
        manager.context.destroy()


def _guard(client: BlockingKernelClient) -> int:
    client.execute(PAGE)
    text = ""
    until = time.monotonic() + 90
    while "ready" not in text:
        assert time.monotonic() < until, text
        try:
            message = client.get_iopub_msg(timeout=5)
        except Empty:
            continue
        assert message["msg_type"] != "error", message["content"]
        text += message["content"].get("text", "") if message["msg_type"] == "stream" else ""
    return int(text.split()[0])


def kill(manager: KernelManager) -> None:
    """SIGKILL to the kernel's own process, as the kernel's out-of-memory killer would."""
    process = manager.provisioner.process  # type: ignore[union-attr]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def quiet() -> Photograph:
    owner()
    return Photograph.take()


@pytest.fixture
def times(soak: bool) -> int:
    return 100 if soak else 2


def test_nothing_is_left_five_seconds_after_a_kernel_was_killed(quiet: Photograph, times: int) -> None:
    for _ in range(times):
        with kernel() as (manager, _guard_pid):
            kill(manager)
            assert settled(quiet, 5.0) == {}


def test_a_restarted_kernel_starts_from_nothing(quiet: Photograph) -> None:
    with kernel() as (manager, _guard_pid):
        manager.restart_kernel(now=False)
        left = settled(quiet, 5.0)
        assert set(left) <= {"processes"}
        assert all("ipykernel" in process for process in left.get("processes", []))


def test_when_the_guard_is_killed_too_the_next_start_sweeps(quiet: Photograph, times: int) -> None:
    for _ in range(times):
        with kernel() as (manager, guard_pid):
            os.kill(guard_pid, signal.SIGKILL)
            kill(manager)
            time.sleep(0.3)
            assert settled(quiet, 0.1), "without a guard something is left to sweep"
            subprocess.run([sys.executable, "-c", "from sandboxes.lifecycle import owner; owner()"], check=True)
            assert settled(quiet, 5.0) == {}
