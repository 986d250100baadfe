"""Connections to a container's address: straight, where its network is this machine's, else from inside the network
namespace of a private engine, by a small process that was started there. The host's own network is not touched.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from sandboxes.containers import dialer
from sandboxes.containers.client import Engine
from sandboxes.errors import SandboxGone, Unavailable
from sandboxes.lifecycle import owner

READY_S = 10.0
PROC = Path("/proc")


class Passage:
    """Into the network of one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._lock = threading.Lock()
        self._line: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def dial(self, address: str, port: int, timeout_s: float, *, gateway: str) -> socket.socket:
        """A connection to a port of a container in the network with this gateway.

        Raises OSError when it is refused or takes too long, Unavailable when the network is on another machine.
        """
        if self.engine.pid is None:
            _check_route(address, gateway)
            return socket.create_connection((address, port), timeout=timeout_s)
        wanted = json.dumps({"address": address, "port": port, "timeout_s": timeout_s}).encode()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            ours.settimeout(timeout_s + 1)
            with theirs:
                socket.send_fds(self._opened(), [wanted], [theirs.fileno()])
            said, handles, _, _ = socket.recv_fds(ours, dialer.LONGEST_MESSAGE, 1)
        if not handles:
            raise ConnectionError(said.decode(errors="replace") or "the engine's network is gone")
        os.set_inheritable(handles[0], False)
        return socket.socket(fileno=handles[0])

    def close(self) -> None:
        """The process inside has ended. Safe to repeat."""
        with self._lock:
            if self._line:
                self._line.close()
            if self._process:
                self._process.kill()
                self._process.wait()
            self._line = self._process = None

    def _opened(self) -> socket.socket:
        """The line to the process inside; started at the first call. Raises SandboxGone, Unavailable."""
        with self._lock:
            if self._line is None or self._process is None or self._process.poll() is not None:
                self._line, self._process = self._started()
            return self._line

    def _started(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            script = [sys.executable, "-I", "-S", dialer.__file__, str(theirs.fileno())]
            process = subprocess.Popen(
                [*entering(self.engine.pid or 0), *script],
                pass_fds=[theirs.fileno()],
                env=owner().environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        ours.settimeout(READY_S)
        try:
            ready = ours.recv(64)
        except TimeoutError:
            ready = b""
        ours.settimeout(None)
        if ready != b"ready":
            process.kill()
            ours.close()
            raise Unavailable(
                "The engine's network cannot be entered.",
                seen=f"nsenter ended with status {process.wait()}",
                remedy="publish nothing, and reach the service from another container",
            )
        return ours, process


def _check_route(address: str, gateway: str) -> None:
    """A bridge of this machine has the gateway's address, and what we send to a member comes from there. Elsewhere the
    same address may be somebody else's. Connecting a datagram socket sends nothing (udp(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.connect((address, 9))
        ours = line.getsockname()[0]
    if ours != gateway:
        raise Unavailable(
            "The container's network is not one of this machine, so it cannot be entered from here.",
            seen=f"{address} would be reached from {ours}; the network's gateway is {gateway or 'unknown'}",
            remedy="ports={80: None} in a network(internal=False): then the engine publishes the port",
        )


def entering(engine_pid: int) -> list[str]:
    """The words before a program that make it run in the engine's network namespace (nsenter(1))."""
    nsenter = shutil.which("nsenter", path=os.environ.get("PATH", "") + ":/usr/bin:/bin")
    if nsenter is None:
        raise Unavailable("Entering a network needs nsenter.", seen="no nsenter", remedy="apt-get install util-linux")
    inside = inside_pid(engine_pid)
    words = [nsenter, "--target", str(inside), "--net"]
    if _namespace(inside, "user") != _namespace(os.getpid(), "user"):
        words += ["--user", "--preserve-credentials"]
    return [*words, "--"]


def inside_pid(engine_pid: int) -> int:
    """The first descendant of the engine's process whose network namespace is not ours. Raises SandboxGone."""
    ours = _namespace(os.getpid(), "net")
    for pid in _descendants(engine_pid):
        if _namespace(pid, "net") not in ("", ours):
            return pid
    raise SandboxGone(
        "The engine's network is gone.", seen=f"no process below {engine_pid} has its own", remedy="start a new one"
    )


def _descendants(pid: int) -> Iterator[int]:
    """Breadth first, by /proc/PID/task/PID/children (proc_pid_task(5))."""
    waiting = [pid]
    for one in waiting:
        yield one
        try:
            waiting += [int(word) for word in (PROC / f"{one}/task/{one}/children").read_text().split()]
        except OSError:
            continue


def _namespace(pid: int, kind: str) -> str:
    try:
        return os.readlink(PROC / f"{pid}/ns/{kind}")
    except OSError:
        return ""


_passages: list[Passage] = []
_lock = threading.Lock()


def passage(engine: Engine) -> Passage:
    """The one into this engine's network: a process has one engine at a time. It ends with the owner at the latest."""
    with _lock:
        for known in [one for one in _passages if one.engine is not engine]:
            _passages.remove(known)
            if known.engine.owner is engine.owner:  # else a parent's, inherited by fork(2)
                known.close()
                engine.owner.release(known)
        if not _passages:
            _passages.append(Passage(engine))
            engine.owner.adopt(_passages[0])
        return _passages[0]


def _forked() -> None:
    """A child of fork(2) has no passages yet, and does not keep its parent's lock held."""
    global _lock
    _lock = threading.Lock()
    _passages.clear()


os.register_at_fork(after_in_child=_forked)
