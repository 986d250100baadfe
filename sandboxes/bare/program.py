"""The program that makes the calls: a process of its own, which forks a child for every container.

A notebook must not leave its own namespaces. The child makes the calls that it is asked for, one after the other, and
starts commands; what it is in by then is the container. It is started as a plain script, for which Python needs 10 ms,
so it does not import this package: that would take 300. Its argument is the number of an inherited socket.
"""

import contextlib
import errno
import gc
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from types import ModuleType

calls = ModuleType("calls")
SourceFileLoader("calls", os.path.join(os.path.dirname(__file__), "calls.py")).exec_module(calls)

RUNNING: dict[int, int] = {}
"""Pid of a command -> the pipe that its exit status goes to."""


def spawn(words: list[str], environment: dict[str, str]) -> tuple[int, list[int]]:
    """Start a program in a child, in a session of its own.

    Returns its pid, which is the session's number, and the ends of three pipes: stdout, stderr, and one byte, the exit
    status. As a shell has it, that is 127 when there is no such program, 126 when it cannot be executed; then the pid
    is 0. Raises OSError when there may be no further process.
    """
    ends = [os.pipe() for _ in range(4)]
    (nothing, no_input), (_, stdout), (_, stderr), (_, status) = ends
    os.close(no_input)
    pid = 0
    try:
        pid = calls.execve(words, environment, (nothing, stdout, stderr))
        RUNNING[pid] = status
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.ENOMEM):
            for handle in {handle for pair in ends for handle in pair} - {no_input, nothing, stdout, stderr}:
                os.close(handle)
            raise
        os.write(stderr, f"{words[0]}: {error.strerror}\n".encode())
        os.write(status, bytes([127 if error.errno == errno.ENOENT else 126]))
        os.close(status)
    finally:
        for handle in (nothing, stdout, stderr):
            os.close(handle)
    return pid, [end[0] for end in ends[1:]]


def collect() -> None:
    """Wait for the children that have ended: commands, whose status is passed on, and orphans."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            status = RUNNING.pop(ended[0], None)
            if status is not None:
                code = os.waitstatus_to_exitcode(ended[1])
                with contextlib.suppress(BrokenPipeError):
                    os.write(status, bytes([code if code >= 0 else 128 - code]))
                os.close(status)


def end_children() -> None:
    """No child is left. Orphans become children of this process, which is their subreaper, and are ended as well."""
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            os.waitpid(-1, 0)


def children() -> list[int]:
    """Pids whose parent is this process: field 4 of /proc/PID/stat (proc_pid_stat(5))."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{entry}/stat") as file:
            if int(file.read().rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(entry))
    return found


def answer(line: socket.socket, number: int, requests: list[tuple[str, dict[str, object]]]) -> None:
    """Make the calls, up to the first that fails, and say how long each took. The answer repeats the number."""
    took: list[float] = []
    handles: list[int] = []
    reply: dict[str, object] = {"ms": took}
    for name, arguments in requests:
        begun = time.perf_counter()
        try:
            if spawned := CALLS[name](**arguments):
                reply["session"], handles = spawned
        except OSError as error:
            reply |= {"failed": name, "errno": error.errno, "seen": str(error)}
            break
        took.append((time.perf_counter() - begun) * 1e3)
    reply["hostname"] = os.uname().nodename
    socket.send_fds(line, [json.dumps([number, reply]).encode() + b"\n"], handles)
    for handle in handles:
        os.close(handle)


def receive(line: socket.socket) -> tuple[bytes, list[int]]:
    """Whole lines of text and the file descriptors that came with them; empty when the other end has hung up."""
    text = b""
    handles: list[int] = []
    while not text.endswith(b"\n"):
        more, came, _, _ = socket.recv_fds(line, 1 << 16, 4)
        for handle in came:  # no command may have the line to its owner; Python 3.11 drops a flag MSG_CMSG_CLOEXEC
            os.set_inheritable(handle, False)
        if not more:
            return b"", []
        text, handles = text + more, handles + came
    return text, handles


def serve(line: socket.socket) -> None:
    """Answer requests until the owner hangs up or is dead; then end what still runs."""
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    calls.prctl(calls.SET_CHILD_SUBREAPER, 1)
    calls.open_score()
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([line.fileno(), wake], [], [])
        if wake in ready:
            os.read(wake, 1 << 12)
            collect()
        if line.fileno() in ready:
            text, _ = receive(line)
            if not text:
                end_children()
                return
            for request in text.splitlines():
                answer(line, *json.loads(request))


CALLS: dict[str, Callable[..., tuple[int, list[int]] | None]] = {
    "spawn": spawn,
    **{
        name: getattr(calls, name)
        for name in (
            *("join_cgroup", "unshare", "setuid", "sethostname", "loopback", "overlay", "proc", "sysfs"),
            *("mask", "dev", "pivot_root", "drop_capabilities", "no_new_privs", "seccomp"),
        )
    },
}


def main(owner: socket.socket) -> None:
    """Fork a child for each line of the owner's: it carries a folder to begin in and the child's own socket."""
    gc.disable()  # a collection writes to every object, and so copies every page that a child shares with us
    os.umask(0o022)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel itself collects our children, and theirs
    calls.prctl(calls.SET_CHILD_SUBREAPER, 1)
    while True:
        folder, handles = receive(owner)
        if not folder:
            return
        line = socket.socket(fileno=handles[0])
        if os.fork() == 0:
            owner.close()
            os.chdir(json.loads(folder))
            serve(line)
            return
        line.close()


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
