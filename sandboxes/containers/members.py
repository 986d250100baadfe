"""The processes of a container as this machine's kernel shows them: found by the container's id in /proc/PID/cgroup."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

from sandboxes.containers.guest_group import GuestGroup
from sandboxes.errors import SandboxError, SandboxGone, Unavailable
from sandboxes.kernel import Cgroup, cgroup_of, is_zombie, pids_inside

PROC = Path("/proc")


def find_cgroup(container_id: str) -> Cgroup:
    """The cgroup of a running container: works for every engine on this machine, also one in its own pid namespace.

    Raises Unavailable when no process here carries the id: then the engine runs its containers on another machine.
    """
    for entry in os.listdir(PROC):
        if entry.isdigit():
            with contextlib.suppress(OSError, SandboxError):
                if container_id in (PROC / entry / "cgroup").read_text():
                    found = cgroup_of(int(entry))
                    if container_id in str(found.folder):  # one that ended meanwhile is in the root by now
                        return found
    raise Unavailable(
        "The container's processes are not on this machine, so its kernel files cannot be read.",
        seen=f"no /proc/PID/cgroup names {container_id[:12]}",
        remedy="run the book on the machine where the engine runs (Docker Desktop has a virtual machine of its own)",
    )


def live(cgroup: Cgroup) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Pid here, and pid in each nested namespace, of every member that has not ended.

    Raises SandboxGone, Unavailable when they are not on this machine.
    """
    for pid in cgroup.pids():
        with contextlib.suppress(OSError):
            status = (PROC / str(pid) / "status").read_text()
            if not is_zombie(status):
                yield pid, pids_inside(status)


def init_of(cgroup: Cgroup) -> int:
    """The pid here of the container's process 1. Raises SandboxGone."""
    for pid, inside in live(cgroup):
        if inside and inside[-1] == 1:
            return pid
    raise SandboxGone(
        "The container's first process has ended.", seen=f"{cgroup.folder}: no process 1", remedy="start a new one"
    )


def by_engine_pid(cgroup: Cgroup, engine_pid: int) -> tuple[int, int] | None:
    """Pid here and pid inside of the process that the engine, in whatever pid namespace, calls `engine_pid`.

    For an engine in a guest the first is the number there.
    """
    if isinstance(cgroup, GuestGroup):
        found = cgroup.inside(engine_pid)
        return None if found is None else (engine_pid, found)
    for pid, inside in live(cgroup):
        if len(inside) > 1 and inside[-2] == engine_pid:
            return pid, inside[-1]
    return None


def send_all(cgroup: Cgroup, pids: Iterable[int], number: signal.Signals) -> None:
    """As send() to each of them."""
    if isinstance(cgroup, GuestGroup):
        cgroup.send(pids, number)
        return
    for pid in pids:
        send(cgroup, pid, number)


def send(cgroup: Cgroup, pid: int, number: signal.Signals) -> None:
    """The signal has been sent, unless the process has ended.

    A pidfd (pidfd_open(2)) is taken before looking whether it is a member, so that no reused number of another place is
    hit. Raises PermissionError.
    """
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            if pid in cgroup.pids():
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)
