"""What there is on a machine, and what appeared and vanished between two looks at it."""

from __future__ import annotations

from dataclasses import dataclass

from sandboxes.model.namespaces import NamespaceGroup
from sandboxes.model.privileges import Mount


@dataclass(frozen=True)
class SeenProcess:
    """A process. `started_ticks` after boot tells it from a later one with the same number (proc_pid_stat(5))."""

    pid: int
    started_ticks: int
    ppid: int
    command: str


@dataclass(frozen=True)
class SeenCgroup:
    """A cgroup in one hierarchy, that being the folder it is mounted at, such as "memory" or "unified"."""

    hierarchy: str
    path: str


@dataclass(frozen=True)
class SeenMount:
    """A mount, and the number of the mount namespace in which it is seen."""

    namespace: int
    mount: Mount


@dataclass(frozen=True)
class SeenLink:
    """A network link, and the number of its network namespace."""

    namespace: int
    name: str


@dataclass(frozen=True)
class Inventory:
    """Things by kind; kernel threads are left out."""

    processes: tuple[SeenProcess, ...]
    namespaces: tuple[NamespaceGroup, ...]
    cgroups: tuple[SeenCgroup, ...]
    mounts: tuple[SeenMount, ...]
    links: tuple[SeenLink, ...]

    def counts(self) -> dict[str, int]:
        """How many of each kind there are."""
        return {kind: len(getattr(self, kind)) for kind in ("processes", "namespaces", "cgroups", "mounts", "links")}


@dataclass(frozen=True)
class Changes:
    """What a machine has now and had not before, and the other way round; `wall_ms` lies between the two looks."""

    created: Inventory
    removed: Inventory
    wall_ms: float
