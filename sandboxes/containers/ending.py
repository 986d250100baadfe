"""The processes of one command in a container: found by what they do not easily drop, and killed.

A command's processes are those that carry its mark in their environment (proc_pid_environ(5)), its first process, and
whoever descends from these or is in a session with one of them; a runtime begins a session for each exec (setsid(2)).
`env -i` and `su -` drop the mark, setsid(1) leaves the session, and a parent that ends takes the descent away. So what
dropped its mark escapes when nothing is left that ties it to the others, and ends with its container.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from sandboxes.containers import members
from sandboxes.containers.guest_group import GuestGroup
from sandboxes.errors import SandboxError
from sandboxes.kernel import Cgroup, is_zombie, pids_inside
from sandboxes.kernel.reading import table

_KILL = """
mark=$1; shift
[ $# = 0 ] || kill -9 "$@"
for entry in /proc/[0-9]*; do
  tr '\\0' '\\n' < "$entry/environ" | grep -qxF -- "$mark" && kill -9 "${entry#/proc/}"
done 2>/dev/null
"""
STOPPED = "Tt"
"""States in which a process does not fork (proc_pid_status(5))."""


@dataclass(frozen=True)
class Member:
    """A process of a container that has not ended. `inside` is its number in each pid namespace from ours to its own,
    `session` its session's in ours. `marked` None: this user may not look."""

    pid: int
    ppid: int
    stopped: bool
    inside: tuple[int, ...]
    session: int
    marked: bool | None


def kill(cgroup: Cgroup, mark: str, engine_pid: int, deadline_s: float) -> bool:
    """True: no process of the command is left. False: some outlived the deadline.

    They are stopped before they are killed, until no new one appears: what is stopped does not fork, and whose child a
    process is can be seen only while its parent is there. One that is ending has no environment any more; its session
    tells that it is not gone yet. Raises PermissionError when this user may not do that.
    """
    until = time.monotonic() + deadline_s
    before, sessions = frozenset[int](), set[int]()
    while ours := of_command(living(cgroup, mark), engine_pid, sessions):
        left_s = until - time.monotonic()
        if left_s <= 0:
            return False
        if any(one.marked is None for one in ours):
            raise PermissionError(f"process {ours[0].pid} is another user's")
        now = frozenset(one.pid for one in ours)
        still = all(one.stopped for one in ours)
        number = signal.SIGKILL if (still and now == before) or left_s < deadline_s / 2 else signal.SIGSTOP
        members.send_all(cgroup, [one.pid for one in ours], number)
        sessions |= {one.session for one in ours}
        before = now if still else frozenset()
        time.sleep(0.002)
    return True


def words_inside(cgroup: Callable[[], Cgroup], mark: str, engine_pid: int) -> tuple[str, ...]:
    """A command that kills them from inside, where this user may not signal them; it sees marks that we may not."""
    numbers: list[str] = []
    with contextlib.suppress(OSError, SandboxError):
        numbers = [str(one.inside[-1]) for one in of_command(living(cgroup(), mark), engine_pid)]
    return ("sh", "-c", _KILL, "sh", mark, *numbers)


def living(cgroup: Cgroup, mark: str) -> list[Member]:
    """The processes of the container now."""
    return list(_living_in_guest(cgroup, mark) if isinstance(cgroup, GuestGroup) else _living(cgroup, mark))


def of_command(found: Sequence[Member], engine_pid: int, sessions: Collection[int] = ()) -> list[Member]:
    """Those of the command whose first process the engine calls `engine_pid`, 0 when it is not known, and which had
    these sessions until now."""
    shared = {one.session for one in found if one.inside[-1:] == (1,)} | {0}
    ours = [one for one in found if one.marked or one.inside[-2:-1] == (engine_pid,)]
    ours += [one for one in found if one.session in set(sessions) - shared and one not in ours]
    known = 0
    while len(ours) > known:
        known = len(ours)
        pids, theirs = {one.pid for one in ours}, {one.session for one in ours} - shared
        ours = [one for one in found if one.pid in pids or one.ppid in pids or one.session in theirs]
    return ours


def _living(cgroup: Cgroup, mark: str) -> Iterator[Member]:
    for pid in cgroup.pids():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            status = (members.PROC / str(pid) / "status").read_text(errors="replace")
            if not is_zombie(status):
                yield _member(pid, status, _carries(pid, mark))


def _living_in_guest(group: GuestGroup, mark: str) -> Iterator[Member]:
    statuses, marked = group.living(mark)
    for pid, status in statuses.items():
        if not is_zombie(status):
            yield _member(pid, status, pid in marked)


def _member(pid: int, status: str, marked: bool | None) -> Member:
    fields = table(status)
    return Member(
        pid=pid,
        ppid=int(fields["PPid"]),
        stopped=fields["State"][0] in STOPPED,
        inside=pids_inside(status),
        session=session(status),
        marked=marked,
    )


def session(status: str) -> int:
    """The session, as our pid namespace numbers it; 0 when it is not known. NSsid, Linux 4.1 (proc_pid_status(5))."""
    return int((table(status).get("NSsid") or "0").split()[0])


def _carries(pid: int, mark: str) -> bool | None:
    try:
        return mark.encode() in (members.PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except PermissionError:
        return None
