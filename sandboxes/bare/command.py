"""One command in a container made by hand: started, read to its end, and ended for certain when it takes too long."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sandboxes import kernel
from sandboxes.bare.agent import Line
from sandboxes.errors import SandboxGone, StartFailed

MARK = "BOUNDARIES_COMMAND"
"""Environment variable by which the processes of one command are found, also those that left its session."""
KEPT_BYTES = 16 << 20
"""So much of each stream is kept; the rest is read and dropped, and the text says so."""

Theirs = Callable[[int], bool]
"""Whether the process of a pid is one of those that are meant."""

_CHUNK = 1 << 16


@dataclass
class Stream:
    """What came out of one pipe so far, bounded."""

    kept: bytearray = field(default_factory=bytearray)
    dropped: int = 0

    def feed(self, data: bytes) -> None:
        room = KEPT_BYTES - len(self.kept)
        self.kept += data[:room]
        self.dropped += max(0, len(data) - room)

    @property
    def text(self) -> str:
        cut = f"\n[cut here: {self.dropped:,} more bytes were written and not kept]\n" if self.dropped else ""
        return self.kept.decode(errors="replace") + cut


class Running:
    """A command that was started: three pipes bring its stdout, its stderr and one byte, its exit status."""

    def __init__(self, session: int, handles: tuple[int, ...]) -> None:
        self.session = session
        self._out, self._err, self._status = streams = Stream(), Stream(), Stream()
        self._pipes = dict(zip(handles, streams, strict=True))

    @property
    def stdout(self) -> str:
        return self._out.text

    @property
    def stderr(self) -> str:
        return self._err.text

    def read(self, until: float) -> int:
        """Until all three pipes have ended; the exit status. Raises TimeoutError, SandboxGone."""
        with selectors.DefaultSelector() as selector:
            for handle in self._pipes:
                selector.register(handle, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(max(0.0, until - time.monotonic()))
                if not ready:
                    raise TimeoutError
                for key, _ in ready:
                    if data := os.read(key.fd, _CHUNK):
                        self._pipes[key.fd].feed(data)
                    else:
                        selector.unregister(key.fd)
        if not self._status.kept:
            raise SandboxGone("The container ended.", seen="its first process is gone", remedy="start a new one")
        return self._status.kept[0]

    def close(self) -> None:
        """Nobody reads any more."""
        for handle in self._pipes:
            os.close(handle)


def begin(line: Line, words: tuple[str, ...], environment: dict[str, str]) -> Running:
    """Start it. Raises StartFailed when there may be no further process in there, SandboxGone."""
    reply = line.ask([("spawn", {"words": words, "environment": environment})])
    if reply.failed:
        why = "its limit of processes is reached (pids.max)" if reply.errno == errno.EAGAIN else reply.seen
        raise StartFailed(
            f"The command could not be started: {' '.join(words)[:100]}",
            seen=why,
            remedy="end something in there first",
        )
    return Running(reply.session, reply.handles)


def carrying(mark: str) -> Theirs:
    """Those whose initial environment has a line that begins so (proc_pid_environ(5)); zombies have none."""

    def theirs(pid: int) -> bool:
        try:
            return any(
                line.startswith(mark.encode()) for line in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            )
        except OSError:
            return False

    return theirs


def in_session(session: int, first: int) -> Theirs:
    """Those of a session that the container whose first process is `first` numbers so; 0: nobody.

    NSsid of proc_pid_status(5) has a process's session as each pid namespace from ours to its own numbers it.
    """

    def theirs(pid: int) -> bool:
        try:
            return (
                session > 0
                and os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{first}/ns/pid")
                and kernel.sessions_inside(Path(f"/proc/{pid}/status").read_text())[-1:] == (session,)
            )
        except OSError:
            return False

    return theirs


def found(theirs: Theirs) -> list[int]:
    """The pids of all that are meant."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and theirs(int(entry))]


def kill_once(theirs: Theirs) -> bool:
    """Everybody who is meant now has got SIGKILL. False: there was nobody."""
    pids = found(theirs)
    for pid in pids:
        _kill(pid, theirs)
    return bool(pids)


def kill_all(theirs: Theirs, deadline_s: float = 2.0) -> bool:
    """True: two looks in a row found nobody who is meant; one may miss a child that was just forked.

    False: some outlived the deadline.
    """
    until = time.monotonic() + deadline_s
    quiet = 0
    while quiet < 2:
        if time.monotonic() > until:
            return False
        quiet = 0 if kill_once(theirs) else quiet + 1
        time.sleep(0.002)
    return True


def _kill(pid: int, theirs: Theirs) -> None:
    """A pidfd (pidfd_open(2)) is taken before looking again, so that no reused number is hit."""
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        try:
            if theirs(pid):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)
