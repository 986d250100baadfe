"""A process that was forked while another thread held a lock does not wait for that thread, which it has not."""

from __future__ import annotations

import os
import signal
import threading
from types import ModuleType

import pytest

from sandboxes.containers import finding, passage, pools, swarm

NET_S = 5


@pytest.mark.parametrize("module", [finding, passage, pools, swarm], ids=lambda module: module.__name__)
def test_a_forked_child_can_take_the_lock_that_another_thread_held(module: ModuleType) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with module._lock:
            held.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(NET_S)
        with module._lock:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    done.set()
    holder.join()
    assert status == 0, "it hung until the alarm"
