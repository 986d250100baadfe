"""Which boundaries of a container hold: looked at from inside, by ordinary commands, and compared with the host."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from sandboxes import kernel
from sandboxes.bare.sandbox import BareSandbox, container
from sandboxes.model import Leak


def leaks(box: BareSandbox | None = None, *, without: str | Sequence[str] = ()) -> tuple[Leak, ...]:
    """One record a boundary: mnt, pid, net, uts, ipc, user, time, cgroup, capabilities, seccomp.

    Without a `box` one is made, with these parts left out, and closed again. Nothing on the host is changed: to have
    something to find, this process listens on a port and holds a piece of shared memory meanwhile.
    Raises what container() raises, and SandboxGone. Source: namespaces(7), proc(5), shmget(2), capabilities(7).
    """
    if box is not None:
        return look(box)
    with container(without=without) as made:
        return look(made)


def look(box: BareSandbox) -> tuple[Leak, ...]:
    """The boundaries of a running container. Raises SandboxGone."""
    return (_mnt(box), _pid(box), _net(box), _uts(box), _ipc(box), _user(box), _time(box), *_rights(box), _cgroup(box))


def _mnt(box: BareSandbox) -> Leak:
    root = os.stat("/")
    inside, outside = _said(box, "stat", "-c", "%d %i", "/"), f"{root.st_dev} {root.st_ino}"
    return Leak("mnt", inside == outside, "device and inode of /", inside, outside)


def _pid(box: BareSandbox) -> Leak:
    """By the whole of /proc/PID/stat up to the parent's pid: number, name, state, parent."""
    pid = os.getpid()
    mine = f"{pid} ({Path('/proc/self/comm').read_text().strip()})"
    seen = _said(box, "cat", f"/proc/{pid}/stat")
    inside = mine if seen.startswith(mine) else "no such process"
    return Leak("pid", inside == mine, "this notebook's process in /proc", inside, mine)


def _net(box: BareSandbox) -> Leak:
    """A listening socket is a line of /proc/net/tcp, its port in hexadecimal (proc_pid_net(5))."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        port = server.getsockname()[1]
        seen = f":{port:04X} " in _said(box, "cat", "/proc/net/tcp")
    outside = f"127.0.0.1:{port}"
    return Leak("net", seen, "a port that listens on the host", outside if seen else "not there", outside)


def _uts(box: BareSandbox) -> Leak:
    name = Path("/proc/sys/kernel/hostname").read_text().strip()
    inside, outside = _said(box, "cat", "/proc/sys/kernel/hostname"), name
    return Leak("uts", _shared(box, "uts"), "host name, that of the same namespace", inside, outside)


def _ipc(box: BareSandbox) -> Leak:
    with shared_memory() as segment:
        table = _said(box, "cat", "/proc/sysvipc/shm").splitlines()[1:]
        seen = any(line.split()[1] == str(segment) for line in table)
    inside = f"segment {segment}" if seen else "not there"
    return Leak("ipc", seen, "shared memory that the host holds", inside, f"segment {segment}")


def _user(box: BareSandbox) -> Leak:
    inside = " ".join(_said(box, "cat", "/proc/self/uid_map").split())
    outside = " ".join(Path("/proc/self/uid_map").read_text().split())
    return Leak("user", _shared(box, "user"), "users: first inside, first outside, count", inside, outside)


def _time(box: BareSandbox) -> Leak:
    ours, theirs = (kernel.namespaces(pid).get("time") for pid in (os.getpid(), box.pid))
    return Leak("time", ours == theirs, "number of the time namespace", str(theirs), str(ours))


def _rights(box: BareSandbox) -> tuple[Leak, Leak]:
    inside, outside = _said(box, "cat", "/proc/self/status"), Path("/proc/self/status").read_text()
    may, could = (" ".join(kernel.parse_capabilities(text)) or "none" for text in (inside, outside))
    mode, host_mode = kernel.parse_seccomp(inside), kernel.parse_seccomp(outside)
    return (
        Leak("capabilities", may != "none", "effective capabilities of a command", may, could),
        Leak("seccomp", mode == "disabled", "filter on system calls", mode, host_mode),
    )


def _cgroup(box: BareSandbox) -> Leak:
    ours, theirs = (kernel.cgroup_of(pid).folder for pid in (os.getpid(), box.pid))
    return Leak("cgroup", ours == theirs, "cgroup that its processes are counted in", str(theirs), str(ours))


def _shared(box: BareSandbox, kind: str) -> bool:
    return kernel.namespaces(os.getpid()).get(kind) == kernel.namespaces(box.pid).get(kind)


def _said(box: BareSandbox, *words: str) -> str:
    return box.run(words).stdout.strip()


@contextlib.contextmanager
def shared_memory(size_bytes: int = 4096) -> Iterator[int]:
    """The id of a System V segment, marked to vanish with this process at the latest: shmget(2), shmctl(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    segment = libc.shmget(0, size_bytes, 0o600)  # IPC_PRIVATE
    if segment < 0:
        raise OSError(ctypes.get_errno(), "shmget")
    address = libc.shmat(segment, None, 0)
    libc.shmctl(segment, 0, None)  # IPC_RMID: it goes when the last one lets go
    try:
        yield segment
    finally:
        libc.shmdt(ctypes.c_void_p(address))
