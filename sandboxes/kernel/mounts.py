"""Where cgroup hierarchies are mounted: proc_pid_mountinfo(5), cgroups(7)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_ESCAPES = {r"\040": " ", r"\011": "\t", r"\012": "\n", r"\134": "\\"}


@dataclass(frozen=True)
class CgroupMount:
    """One mounted hierarchy. `controllers` is empty for version 2; `root` is the cgroup that the mount shows as "/"."""

    controllers: frozenset[str]
    root: str
    folder: Path
    version: int


def parse_cgroup_mounts(mountinfo: str) -> tuple[CgroupMount, ...]:
    """The cgroup mounts in the text of /proc/PID/mountinfo, in its order."""
    mounts = []
    for line in mountinfo.splitlines():
        left, separator, right = line.partition(" - ")
        if not separator:
            continue
        kind, _, options = right.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            root, folder = (_unescape(word) for word in left.split(" ")[3:5])
            controllers = frozenset(options.split(",")) - {"rw", "ro"} if kind == "cgroup" else frozenset[str]()
            mounts.append(CgroupMount(controllers, root, Path(folder), 1 if kind == "cgroup" else 2))
    return tuple(mounts)


def cgroup_layout(mountinfo: str) -> str:
    """ "v1", "v2", "hybrid" when both are mounted, or "none" (cgroups(7))."""
    versions = {mount.version for mount in parse_cgroup_mounts(mountinfo)}
    if versions == {1, 2}:
        return "hybrid"
    return f"v{versions.pop()}" if versions else "none"


def _unescape(word: str) -> str:
    for escape, character in _ESCAPES.items():
        word = word.replace(escape, character)
    return word
