"""The process that makes containers for this one: started once an owner, it forks a child for each of them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandboxes.errors import SandboxGone
from sandboxes.lifecycle import MARK, Owner, owner

PROGRAM = str(Path(__file__).with_name("program.py"))
ANSWER_S = 30.0
"""No kernel call that is asked for here waits for anything; a machine that swaps may take its time."""

Request = tuple[str, dict[str, object]]
"""The name of a function in `calls`, and its arguments."""


@dataclass(frozen=True)
class Reply:
    """What became of some requests: `ms` for each that was done, and the one that failed, with the kernel's reason.

    `pid` is the process that answered, by our numbers: the kernel itself says so (SCM_CREDENTIALS, unix(7)). `session`
    is that of the command that was started, as the container numbers it; 0: none was.
    """

    pid: int
    hostname: str
    ms: tuple[float, ...]
    handles: tuple[int, ...]
    session: int = 0
    failed: str = ""
    errno: int = 0
    seen: str = ""


class Line:
    """The connection to one container's first process. When it is closed, that process ends what it started."""

    def __init__(self, end: socket.socket) -> None:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        end.settimeout(ANSWER_S)
        self._end, self._one_at_a_time, self._asked = end, threading.Lock(), 0

    def ask(self, requests: Sequence[Request]) -> Reply:
        """Have the calls made, one after the other, up to the first that fails. Raises SandboxGone."""
        with self._one_at_a_time:
            self._asked += 1
            try:
                self._send(json.dumps([self._asked, list(requests)]).encode() + b"\n")
                return self._reply_to(self._asked)
            except (OSError, ValueError, TypeError) as error:
                self.close()
                raise SandboxGone(
                    "The container's first process does not answer.", seen=repr(error), remedy="start a new one"
                ) from error

    def close(self) -> None:
        """The other end notices. Safe to repeat."""
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()

    def _send(self, text: bytes) -> None:
        try:
            self._end.sendall(text)
        except BaseException:  # half of a request cannot be taken back
            self.close()
            raise

    def _reply_to(self, number: int) -> Reply:
        """The answer to a request; one to an earlier request, whose asker was interrupted, is dropped."""
        while True:
            text, pid, handles = self._receive()
            answered, said = json.loads(text.splitlines()[-1])  # no more is read than one that has descriptors
            if answered == number:
                return Reply(pid, handles=handles, **{**said, "ms": tuple(said["ms"])})
            for handle in handles:
                os.close(handle)

    def _receive(self) -> tuple[bytes, int, tuple[int, ...]]:
        """Whole lines, the pid of their sender, and the file descriptors that came with the last of them."""
        text, pid = b"", 0
        handles: list[int] = []
        while not text.endswith(b"\n"):
            more, extra, _, _ = self._end.recvmsg(1 << 16, socket.CMSG_SPACE(64), socket.MSG_CMSG_CLOEXEC)
            if not more:
                raise ConnectionResetError("it hung up")
            text += more
            for _, kind, data in extra:
                if kind == socket.SCM_CREDENTIALS:
                    pid = struct.unpack("3i", data)[0]
                elif kind == socket.SCM_RIGHTS:
                    handles += struct.unpack(f"{len(data) // 4}i", data)
        return text, pid, tuple(handles)


class Agent:
    """The running program, marked as its owner's. It ends when this process closes it, or dies."""

    def __init__(self, for_owner: Owner) -> None:
        ours, theirs = socket.socketpair()
        self.owner, self._end, self._one_at_a_time = for_owner, ours, threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={MARK: for_owner.id},  # and no more: what is in a container may read it
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        for_owner.adopt(self)

    @property
    def pid(self) -> int:
        return self._process.pid

    def running(self) -> bool:
        return self._process.poll() is None

    def begin(self, folder: Path) -> Line:
        """A new child, which begins in `folder`, and our end of the connection to it. Raises SandboxGone."""
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._one_at_a_time:
                socket.send_fds(self._end, [json.dumps(str(folder)).encode() + b"\n"], [theirs.fileno()])
        except OSError as error:
            ours.close()
            raise SandboxGone(
                "The process that makes containers has ended.", seen=str(error), remedy="try it again"
            ) from error
        return Line(ours)

    def close(self) -> None:
        """It has ended; containers that it made live on. Safe to repeat."""
        self._end.close()
        self._process.kill()
        self._process.wait()
        self.owner.release(self)


_current: Agent | None = None
_making = threading.Lock()


def agent() -> Agent:
    """The one of this process, started at the first call, and again if it was killed."""
    global _current
    with _making:
        if _current is None or _current.owner is not owner() or not _current.running():
            if _current is not None:
                _current.close()
            _current = Agent(owner())
        return _current


def _forked() -> None:
    """A child of fork(2) has no agent yet."""
    global _current, _making
    _current, _making = None, threading.Lock()


os.register_at_fork(after_in_child=_forked)
