"""The machine and what runs on it: host, processes, threads, namespaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NAMESPACE_KINDS = ("mnt", "pid", "net", "uts", "ipc", "user", "cgroup", "time")
"""The eight kinds of namespaces(7), by their names in /proc/PID/ns."""


@dataclass(frozen=True)
class Host:
    """The machine that the book runs on. `cgroups` is "v1", "v2" or "hybrid" (cgroups(7))."""

    hostname: str
    system: str
    kernel: str
    machine: str
    cpus: int
    memory_bytes: int
    cgroups: str
    boot_id: str


@dataclass(frozen=True)
class Process:
    """A process as its own /proc describes it. `namespaces` maps a kind to the inode number in /proc/PID/ns/KIND.

    `pid_inside` is its number in the innermost pid namespace (last field of NSpid, proc_pid_status(5)).
    """

    pid: int
    ppid: int
    name: str
    command: str
    threads: int
    rss_bytes: int
    pid_inside: int | None = None
    namespaces: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Thread:
    """One thread of a process: its kernel name (comm) and the CPU time that it has used."""

    tid: int
    name: str
    cpu_ms: float


@dataclass(frozen=True)
class Namespaces:
    """The namespaces of one process: kind -> inode number, as /proc/PID/ns/KIND reports it (namespaces(7)).

    A number means something within one running kernel only, so `boot_id` (random(4)) names that kernel: two places
    share a namespace when boot_id *and* number are equal.
    """

    place: str
    kind: str
    process: str
    pid: int
    boot_id: str
    ids: Mapping[str, int]
