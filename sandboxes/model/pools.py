"""Containers that wait to be taken, and what the waiting costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PoolCost:
    """What the waiting containers of a pool hold on to. `size` is how many it keeps ready, `waiting` how many are.

    `memory_bytes` is what their cgroups have in use; `shim_pss_bytes` the proportional share of memory of the processes
    by which the engine holds them, None when this user may not look at them.
    """

    size: int
    waiting: int
    memory_bytes: int
    shim_pss_bytes: int | None
