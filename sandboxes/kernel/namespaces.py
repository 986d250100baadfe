"""Which namespaces a process is in: namespaces(7)."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable

from sandboxes.kernel.reading import PROC, about
from sandboxes.model import NAMESPACE_KINDS

_LINK = re.compile(r"\b([a-z]+):\[(\d+)\]")


def namespaces(pid: int) -> dict[str, int]:
    """Kind -> inode number from the links /proc/PID/ns/KIND; a kind that this kernel was built without is left out.

    Raises SandboxGone when the process has ended, Unavailable when it belongs to somebody else.
    """
    folder = PROC / str(pid) / "ns"
    with about(pid):
        kinds = set(os.listdir(folder))
        return parse_links(os.readlink(folder / kind) for kind in NAMESPACE_KINDS if kind in kinds)


def namespaces_of_children(pid: int) -> dict[str, int]:
    """The pid and time namespaces that the next children of a process will be in: it may never change its own.

    A new pid namespace is left out until it has a first process. Raises SandboxGone, Unavailable.
    Source: namespaces(7), /proc/PID/ns/{pid,time}_for_children.
    """
    found: dict[str, int] = {}
    with about(pid):
        for name in set(os.listdir(PROC / str(pid) / "ns")) & {"pid_for_children", "time_for_children"}:
            with contextlib.suppress(FileNotFoundError):
                found |= parse_links([os.readlink(PROC / str(pid) / "ns" / name)])
    return found


def parse_links(links: Iterable[str]) -> dict[str, int]:
    """Kind -> number from texts such as "mnt:[4026531832]"; also the output of `ls -l /proc/PID/ns`, line by line.

    There a line for pid_for_children repeats kind "pid"; the first one of a kind counts.
    """
    found: dict[str, int] = {}
    for link in links:
        if match := _LINK.search(link):
            found.setdefault(match[1], int(match[2]))
    return {kind: found[kind] for kind in NAMESPACE_KINDS if kind in found}
