"""Namespaces as things of their own: who is in each, and how they are nested."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NamespaceTies:
    """What the kernel says about one namespace: its CLONE_NEW… flag, and the numbers of those it hangs on.

    `parent` exists for pid and user only; `owner` is the user namespace whose root has power over it; `owner_uid` is
    the user who made it, for user only, as our own user namespace numbers him. None also means: not to be seen from
    our own namespaces. Source: ioctl_ns(2), Linux 4.9 and 4.11.
    """

    flag: int
    parent: int | None
    owner: int | None
    owner_uid: int | None


@dataclass(frozen=True)
class NamespaceGroup:
    """One namespace and the processes that share it, by their numbers here; `command` is that of the lowest one."""

    kind: str
    inode: int
    pids: tuple[int, ...]
    command: str
    ties: NamespaceTies | None

    @property
    def lowest_pid(self) -> int:
        return self.pids[0]
