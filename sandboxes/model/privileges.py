"""What a process may still do, and what of the kernel's own files it can see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CapabilitySets:
    """The five sets of capabilities(7), as names such as "CAP_CHOWN"."""

    effective: tuple[str, ...]
    permitted: tuple[str, ...]
    inheritable: tuple[str, ...]
    bounding: tuple[str, ...]
    ambient: tuple[str, ...]


@dataclass(frozen=True)
class IdRange:
    """`count` user or group numbers from `inside` on are those from `outside` on. Source: user_namespaces(7)."""

    inside: int
    outside: int
    count: int


@dataclass(frozen=True)
class Privileges:
    """A process's effective user and group (numbered by our user namespace), and what bounds it.

    `seccomp` is "disabled", "strict" or "filter"; `seccomp_filters` None: the kernel is older than 5.9.
    """

    uid: int
    gid: int
    capabilities: CapabilitySets
    seccomp: str
    seccomp_filters: int | None
    no_new_privileges: bool
    uid_map: tuple[IdRange, ...]
    gid_map: tuple[IdRange, ...]


@dataclass(frozen=True)
class Mount:
    """One mount as a process sees it. Source: proc_pid_mountinfo(5).

    `root` is the part of the file system that is mounted; `options` are this mount's, `fs_options` the file system's.
    `propagation` is empty for a private mount, else such as ("shared:5", "master:2").
    """

    id: int
    parent_id: int
    device: str
    root: str
    target: str
    options: tuple[str, ...]
    propagation: tuple[str, ...]
    fstype: str
    source: str
    fs_options: tuple[str, ...]


@dataclass(frozen=True)
class Shield:
    """A path of /proc or /sys that something was mounted over: `how` is "masked" (nothing to see) or "read-only"."""

    path: str
    how: str
    mount: Mount
