"""Containers made and closed again and again: nothing is left after each ten, and nothing grows."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandboxes import containers
from sandboxes.containers import container
from sandboxes.lifecycle import owner
from sandboxes.lifecycle.guard import marked_processes
from tests.faults.books import held
from tests.machine import left_of

pytestmark = [pytest.mark.usefixtures("engine_ready"), pytest.mark.soak, pytest.mark.timeout(1800)]

TEN = 10
OURS_BYTES = 64 << 10
ENGINES_BYTES = 512 << 10
"""What a container may cost for good, on average; the engine's garbage collector is a lazy one."""


@dataclass(frozen=True)
class Standing:
    """What this process and its engine have, when no container runs."""

    descriptors: int
    threads: int
    ours_bytes: int
    engines_bytes: int

    @classmethod
    def now(cls) -> Standing:
        return cls(
            len(os.listdir("/proc/self/fd")),
            threading.active_count(),
            proportional_bytes(os.getpid()),
            sum(proportional_bytes(pid) for pid in marked_processes(owner().id)),
        )


def proportional_bytes(pid: int) -> int:
    """Its memory, what is shared counted by share. Source: proc_pid_smaps_rollup(5), Pss."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:")), 0)


def left() -> tuple[set[str], set[str]]:
    """What the engine and the machine have of this process's owner, but for the threads of its engine."""
    engine = containers.engine()
    mine = {text for text in left_of(owner().id) if not text.startswith(("processes", "sockets"))}
    return held(engine.api, owner().id), mine


def ten() -> None:
    for number in range(TEN):
        with container(network=number % 2 == 0, profile=("hardened", "open")[number % 2]) as box:
            assert box.run("echo ok").stdout == "ok\n"
            box.start("sleep 1000")
            box.sample()


def test_nothing_grows_with_the_number_of_containers(soak: bool) -> None:
    ten()
    before, standing = left(), Standing.now()
    tens = 20 if soak else 2
    for _ in range(tens):
        ten()
        assert left() == before
    after = Standing.now()
    cycles = tens * TEN
    assert after.descriptors <= standing.descriptors + 2
    assert after.threads <= standing.threads + 1
    assert after.ours_bytes - standing.ours_bytes <= cycles * OURS_BYTES + (4 << 20), (standing, after)
    assert after.engines_bytes - standing.engines_bytes <= cycles * ENGINES_BYTES + (16 << 20), (standing, after)
