"""Everything on a machine that a container is made of, at one moment; and the difference between two moments."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sandboxes.errors import SandboxError
from sandboxes.kernel.mounts import mounts, parse_cgroup_mounts
from sandboxes.kernel.network import parse_counters
from sandboxes.kernel.processes import command
from sandboxes.kernel.reading import PROC, numbers, of, text
from sandboxes.kernel.sharing import namespace_groups
from sandboxes.model import Inventory, NamespaceGroup, SeenCgroup, SeenLink, SeenMount, SeenProcess

_KERNEL_THREAD = 0x00200000
"""PF_KTHREAD, include/linux/sched.h; `flags` is field 9 of /proc/PID/stat."""

T = TypeVar("T")
Key = tuple[str, int]


@dataclass(frozen=True)
class Photograph:
    """What is visible to this user. `started` are all live processes, kernel threads too: pid -> ticks after boot."""

    inventory: Inventory
    started: Mapping[int, int]

    def members(self, group: NamespaceGroup) -> set[tuple[int, int]]:
        """Its processes, told from later ones with the same numbers."""
        return {(pid, self.started[pid]) for pid in group.pids if pid in self.started}


def photograph() -> Photograph:
    """A look at processes, namespaces, cgroups, mounts and links; some tens of ms on a busy machine.

    Mounts and links are those of every namespace that a visible process is in.
    """
    groups = namespace_groups()
    stats = dict(_stats())
    started = {pid: int(fields[19]) for pid, fields in stats.items()}
    groups = tuple(group for group in groups if not started.keys().isdisjoint(group.pids))
    return Photograph(
        Inventory(
            processes=tuple(_process(pid, fields) for pid, fields in stats.items() if not _of_kernel(fields)),
            namespaces=groups,
            cgroups=tuple(_cgroups()),
            mounts=tuple(_mounts(_one_of_each("mnt", groups, started))),
            links=tuple(_links(_one_of_each("net", groups, started))),
        ),
        started,
    )


def more(later: Photograph, earlier: Photograph) -> Inventory:
    """What the later look shows and the earlier one does not; exchange them for what has gone.

    The kernel gives a namespace's number to another one soon: it is the same one if a process was in it both times.
    """
    new, old = later.inventory, earlier.inventory
    same = _same(later, earlier)
    known_mounts = {(seen.namespace, seen.mount.id, seen.mount.target) for seen in old.mounts}
    known_commands = {(seen.pid, seen.started_ticks) for seen in old.processes}
    return Inventory(
        processes=tuple(seen for seen in new.processes if (seen.pid, seen.started_ticks) not in known_commands),
        namespaces=tuple(group for group in new.namespaces if (group.kind, group.inode) not in same),
        cgroups=_without(new.cgroups, old.cgroups),
        mounts=tuple(
            seen
            for seen in new.mounts
            if ("mnt", seen.namespace) not in same
            or (seen.namespace, seen.mount.id, seen.mount.target) not in known_mounts
        ),
        links=tuple(link for link in new.links if ("net", link.namespace) not in same or link not in old.links),
    )


def _same(later: Photograph, earlier: Photograph) -> set[Key]:
    before = {(group.kind, group.inode): earlier.members(group) for group in earlier.inventory.namespaces}
    return {
        key
        for group in later.inventory.namespaces
        if (key := (group.kind, group.inode)) in before and before[key] & later.members(group)
    }


def _without(new: Iterable[T], old: Iterable[T]) -> tuple[T, ...]:
    known = set(old)
    return tuple(each for each in new if each not in known)


def _stats() -> Iterator[tuple[int, list[str]]]:
    """Pid and the fields of /proc/PID/stat from the third one, the state, on; what has ended is left out."""
    for pid in numbers():
        try:
            fields = text(PROC / str(pid) / "stat").rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] not in "ZX":
            yield pid, fields


def _of_kernel(fields: list[str]) -> bool:
    return bool(int(fields[6]) & _KERNEL_THREAD)


def _process(pid: int, fields: list[str]) -> SeenProcess:
    return SeenProcess(pid, int(fields[19]), int(fields[1]), command(pid))


def _cgroups() -> Iterator[SeenCgroup]:
    seen: set[Path] = set()
    for mount in parse_cgroup_mounts(text(PROC / "self/mountinfo")):
        if mount.folder not in seen:
            seen.add(mount.folder)
            for path in _below(str(mount.folder)):
                yield SeenCgroup(mount.folder.name, path[len(str(mount.folder)) :])


def _below(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            inner = sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    for path in inner:
        yield path
        yield from _below(path)


def _one_of_each(kind: str, groups: Iterable[NamespaceGroup], live: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """The number of each namespace of a kind, and a live process in it."""
    return ((group.inode, next(pid for pid in group.pids if pid in live)) for group in groups if group.kind == kind)


def _mounts(namespaces: Iterable[tuple[int, int]]) -> Iterator[SeenMount]:
    for inode, pid in namespaces:
        with contextlib.suppress(SandboxError, OSError):  # EINVAL: it has just ended
            yield from (SeenMount(inode, mount) for mount in mounts(pid))


def _links(namespaces: Iterable[tuple[int, int]]) -> Iterator[SeenLink]:
    for inode, pid in namespaces:
        with contextlib.suppress(SandboxError, OSError):
            yield from (SeenLink(inode, name) for name in parse_counters(of(pid, "net/dev")))
