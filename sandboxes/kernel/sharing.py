"""Who shares a namespace with whom, and how namespaces are nested: namespaces(7), ioctl_ns(2)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator

from sandboxes.errors import SandboxError
from sandboxes.kernel.processes import command
from sandboxes.kernel.reading import PROC, about, numbers
from sandboxes.model import NAMESPACE_KINDS, NamespaceGroup, NamespaceTies

_GET_USERNS, _GET_PARENT, _GET_NSTYPE, _GET_OWNER_UID = 0xB701, 0xB702, 0xB703, 0xB704
"""include/uapi/linux/nsfs.h"""


def namespace_groups(kinds: Iterable[str] = NAMESPACE_KINDS) -> tuple[NamespaceGroup, ...]:
    """Every namespace that a visible process is in, by kind and number; a few ms for a few hundred processes.

    Left out: processes that this user may not look at, threads in another namespace than their process, and
    namespaces that are held by a file or a mount alone.
    """
    members: dict[tuple[str, int], list[int]] = defaultdict(list)
    for kind, inode, pid in _links(tuple(kinds)):
        members[kind, inode].append(pid)
    return tuple(_group(kind, inode, pids) for (kind, inode), pids in sorted(members.items()))


def namespace_ties(pid: int, kind: str) -> NamespaceTies:
    """How the namespace that a process is in hangs together with others. Raises SandboxGone, Unavailable."""
    with about(pid):
        handle = os.open(PROC / str(pid) / "ns" / kind, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return NamespaceTies(
            flag=fcntl.ioctl(handle, _GET_NSTYPE),
            parent=_related(handle, _GET_PARENT),
            owner=_related(handle, _GET_USERNS),
            owner_uid=_owner_uid(handle) if kind == "user" else None,
        )
    finally:
        os.close(handle)


def _links(kinds: tuple[str, ...]) -> Iterator[tuple[str, int, int]]:
    """Kind, number, pid of what can be read: a process that has ended keeps only some links, or none."""
    for pid in numbers():
        for kind in kinds:
            try:
                link = os.readlink(f"/proc/{pid}/ns/{kind}")
            except PermissionError:
                break
            except OSError:
                continue
            yield kind, int(link[len(kind) + 2 : -1]), pid


def _group(kind: str, inode: int, pids: list[int]) -> NamespaceGroup:
    ties = None
    with contextlib.suppress(SandboxError):
        ties = namespace_ties(pids[0], kind)
    return NamespaceGroup(kind, inode, tuple(pids), command(pids[0]), ties)


def _related(handle: int, question: int) -> int | None:
    """EPERM: it is the initial one, or out of our sight; EINVAL: this kind has no such relation."""
    try:
        other = fcntl.ioctl(handle, question)
    except OSError:
        return None
    try:
        return os.fstat(other).st_ino
    finally:
        os.close(other)


def _owner_uid(handle: int) -> int:
    (uid,) = struct.unpack("I", fcntl.ioctl(handle, _GET_OWNER_UID, bytes(4)))
    return int(uid)
