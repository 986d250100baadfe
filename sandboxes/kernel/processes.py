"""Processes and threads: proc_pid_status(5), proc_pid_stat(5), proc_pid_cmdline(5), smaps_rollup."""

from __future__ import annotations

import os
from collections.abc import Mapping

from sandboxes.errors import SandboxGone, Unavailable
from sandboxes.kernel.namespaces import namespaces
from sandboxes.kernel.reading import PROC, about, kilobytes, of, table, text
from sandboxes.model import Process, Thread

_TICKS = os.sysconf("SC_CLK_TCK")


def process(pid: int) -> Process:
    """One process. Its namespaces are left empty when the kernel does not show them to this user.

    Raises SandboxGone when it has ended.
    """
    status, command = of(pid, "status"), of(pid, "cmdline")
    try:
        ids = namespaces(pid)
    except Unavailable:
        ids = {}
    return parse_process(status, command, ids)


def parse_process(status: str, command: str, ids: Mapping[str, int] | None = None) -> Process:
    """A process from the texts of its `status` and `cmdline`; a kernel thread has no command, so its name stands in."""
    fields = table(status)
    chain = pids_inside(status)
    words = command.rstrip("\0").replace("\0", " ").strip()
    return Process(
        pid=int(fields["Pid"]),
        ppid=int(fields["PPid"]),
        name=fields["Name"],
        command=words or f"[{fields['Name']}]",
        threads=int(fields["Threads"]),
        rss_bytes=kilobytes(fields["VmRSS"]) if "VmRSS" in fields else 0,
        pid_inside=chain[-1] if chain else None,
        namespaces=dict(ids or {}),
    )


def command(pid: int) -> str:
    """The words of a process's command line, its name in brackets when it has none, or nothing once it has ended."""
    try:
        words = text(PROC / str(pid) / "cmdline").rstrip("\0").replace("\0", " ").strip()
        return words or f"[{text(PROC / str(pid) / 'comm').strip()}]"
    except OSError:
        return ""


def pids_inside(status: str) -> tuple[int, ...]:
    """The process's number in each pid namespace from ours to its own: NSpid, Linux 4.1 (proc_pid_status(5))."""
    return tuple(int(word) for word in table(status).get("NSpid", "").split())


def sessions_inside(status: str) -> tuple[int, ...]:
    """The number of the process's session in the same pid namespaces: NSsid, Linux 4.1 (proc_pid_status(5))."""
    return tuple(int(word) for word in table(status).get("NSsid", "").split())


def is_zombie(status: str) -> bool:
    """The process has ended and its parent has not yet asked how (state Z, proc_pid_status(5))."""
    return table(status).get("State", "").startswith("Z")


def threads(pid: int) -> tuple[Thread, ...]:
    """The threads of a process, by their numbers; one that ends meanwhile is left out.

    Raises SandboxGone when the process has ended.
    """
    folder = PROC / str(pid) / "task"
    with about(pid):
        numbers = sorted(int(name) for name in os.listdir(folder))
    found = []
    for tid in numbers:
        try:
            found.append(parse_thread(text(folder / str(tid) / "stat")))
        except (FileNotFoundError, ProcessLookupError):
            continue
    if not found:
        raise SandboxGone(f"Process {pid} has ended.", seen=f"{folder} lists no live thread", remedy="start it again")
    return tuple(found)


def parse_thread(stat: str, ticks_per_s: int = _TICKS) -> Thread:
    """A thread from the text of its `stat`: fields 1 tid, 2 (comm), 14 utime, 15 stime (proc_pid_stat(5)).

    CPU time has the resolution of the kernel's clock tick, 10 ms as a rule.
    """
    head, _, tail = stat.rpartition(")")
    tid, _, name = head.partition(" (")
    fields = tail.split()
    return Thread(int(tid), name, (int(fields[11]) + int(fields[12])) * 1000 / ticks_per_s)


def pss_bytes(pid: int) -> int:
    """Proportional share of memory: a page shared by n processes counts 1/n.

    Source: Documentation/filesystems/proc.rst, smaps_rollup (Linux 4.14).
    Raises SandboxGone when the process has ended, Unavailable when it belongs to somebody else.
    """
    return parse_pss(of(pid, "smaps_rollup"))


def parse_pss(smaps_rollup: str) -> int:
    """Bytes from the line "Pss:" of smaps_rollup."""
    return kilobytes(table(smaps_rollup)["Pss"])
