"""One command in a container made by hand: started, read to its end, and ended for certain when it takes too long."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from sandboxes.bare.agent import Line
from sandboxes.errors import SandboxGone, StartFailed

MARK = "BOUNDARIES_COMMAND"
"""Environment variable by which all processes of one command are found, also those that left its session."""
KEPT_BYTES = 16 << 20
"""So much of each stream is kept; the rest is read and dropped, and the text says so."""

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

    def __init__(self, handles: tuple[int, ...]) -> None:
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
    return Running(reply.handles)


def carrying(mark: str) -> list[int]:
    """Pids whose initial environment has a line that begins so; zombies have none."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _carries(int(entry), mark)]


def kill_once(mark: str) -> bool:
    """Everybody who carries the mark now has got SIGKILL. False: there was nobody."""
    found = carrying(mark)
    for pid in found:
        _kill(pid, mark)
    return bool(found)


def kill_carrying(mark: str, deadline_s: float = 2.0) -> bool:
    """True: two looks in a row found nobody who carries the mark; one may miss a child that was just forked.

    False: some outlived the deadline.
    """
    until = time.monotonic() + deadline_s
    quiet = 0
    while quiet < 2:
        if time.monotonic() > until:
            return False
        quiet = 0 if kill_once(mark) else quiet + 1
        time.sleep(0.002)
    return True


def _kill(pid: int, mark: str) -> None:
    """A pidfd (pidfd_open(2)) is taken before looking again, so that no reused number is hit."""
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        try:
            if _carries(pid, mark):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def _carries(pid: int, mark: str) -> bool:
    """proc_pid_environ(5)."""
    try:
        return any(line.startswith(mark.encode()) for line in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
    except OSError:
        return False
