"""The cgroup of a QEMU process: what it may take of this machine, whatever its guest does."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sandboxes import kernel, request
from sandboxes.errors import BadRequest, LimitIgnored, RunTimeout, SandboxGone, Unavailable
from sandboxes.guests.machine import TRANSLATION_BYTES, Machine
from sandboxes.lifecycle import owner
from sandboxes.model import CgroupLimits, Limits

CONTROLLERS = ("cpu", "memory", "pids")
OVERHEAD_BYTES = 192 << 20
"""For QEMU itself, beside the guest's memory and the code that it translates: three times of what was seen."""

THREADS = 128
"""One a virtual processor and up to 64 for its devices' work (util/thread-pool.c), and some to spare."""


def make(machine: Machine) -> kernel.Cgroup | None:
    """A new cgroup with limits of memory and threads; None where this user may not make one, or no controller is free.

    On a machine with both versions it has no folder in the version 2 tree: to enter that one waits for all CPUs, 10 ms.
    """
    name = f"boundaries-{owner().id}/guest-{machine.name}-{secrets.token_hex(3)}"
    try:
        made = kernel.make_cgroup(name, CONTROLLERS, unified=False)
    except Unavailable:
        return None
    try:
        limits = limits_of(machine)
        kernel.set_limits(made, CgroupLimits(memory_bytes=limits.memory_bytes, pids=limits.pids))
    except BaseException:
        kernel.remove_cgroup(made)
        raise
    return made


def limits_of(machine: Machine) -> Limits:
    """What QEMU needs for this machine, at the most."""
    return Limits(machine.memory_bytes + TRANSLATION_BYTES + OVERHEAD_BYTES, None, THREADS)


def born_in(cgroup: kernel.Cgroup | None, spawn: Callable[[], int]) -> None:
    """The process that `spawn` makes in a thread of its own is a member; in version 1 from its first moment.

    There a thread of ours enters by writing "0" to `tasks`, which waits for nobody, and its child is born where it is
    (cgroups(7)). Version 2 has no such thing for a thread: the process is moved, which takes some 10 ms.
    """
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for folder in dict.fromkeys(cgroup.v1.values() if cgroup else ()):
                (folder / "tasks").write_text("0")
            pid = spawn()
            if cgroup and cgroup.v2:
                Path(cgroup.v2, "cgroup.procs").write_text(str(pid))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work, name="guest spawner", daemon=True)
    thread.start()
    try:
        thread.join()
    except BaseException:
        thread.join()  # what it makes must be known before it can be removed
        raise
    if failed:
        raise failed[0]


def change(cgroup: kernel.Cgroup | None, limits: Limits, cpus: float | None, cpu_shares: int | None) -> Limits:
    """The limits after those that are given have been written. Raises BadRequest, LimitIgnored, Unavailable."""
    if cpu_shares is not None:
        request.count("cpu_shares", cpu_shares, least=2, most=262_144)
    if cpus is not None:
        request.number("cpus", cpus, least=0.01, most=8192)
    if cpus is None and cpu_shares is None:
        return limits
    if cgroup is None:
        raise LimitIgnored(
            "A guest's share of the CPUs cannot be limited here.",
            seen="this user may not make a cgroup",
            remedy="run as root, or leave the limit out",
        )
    weight = None if cpu_shares is None else kernel.weight_of(cpu_shares)
    kernel.set_limits(cgroup, CgroupLimits(cpus=cpus, cpu_weight=weight))
    changed = replace(limits, cpus=limits.cpus if cpus is None else cpus)
    return changed if cpu_shares is None else replace(changed, cpu_shares=cpu_shares)


def memory_reason(group: kernel.Cgroup | None) -> str:
    """Why the kernel killed QEMU, when it was for the memory of its cgroup; else nothing."""
    with contextlib.suppress(SandboxGone, Unavailable):
        if group and (memory := kernel.sample(group).memory).oom_kills:
            return f"it needed more memory than the {memory.limit_bytes or 0:,} bytes of its cgroup"
    return ""


def remove(cgroup: kernel.Cgroup | None) -> None:
    """It is gone, unless a process is still in it: then it goes with its owner."""
    if cgroup is not None:
        with contextlib.suppress(RunTimeout, BadRequest):
            kernel.remove_cgroup(cgroup)
