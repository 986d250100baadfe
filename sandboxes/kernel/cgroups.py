"""The limits and counters of a cgroup, read from its files, whichever version of cgroups holds them: cgroups(7)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandboxes.errors import SandboxGone, Unavailable
from sandboxes.kernel import cgroup_v1, cgroup_v2
from sandboxes.kernel.cgroup_files import Files
from sandboxes.kernel.mounts import CgroupMount, parse_cgroup_mounts
from sandboxes.kernel.reading import PROC, of, text
from sandboxes.model import CgroupSample

CONTROLLERS = ("cpu", "cpuacct", "memory", "pids")
"""Those that a sample needs; in version 2 cpuacct is part of cpu."""


@dataclass(frozen=True)
class Cgroup:
    """Where a process is: a folder for each version 1 controller, and the folder in the version 2 tree, if mounted."""

    v1: Mapping[str, Path]
    v2: Path | None

    @property
    def version(self) -> str:
        """The version that holds the memory controller: "v1" or "v2"."""
        return "v1" if "memory" in self.v1 else "v2"

    @property
    def folder(self) -> Path:
        """The folder whose cgroup.procs lists the members."""
        if "pids" in self.v1:
            return self.v1["pids"]
        return self.v2 or next(iter(self.v1.values()))

    def pids(self) -> tuple[int, ...]:
        """The members, by the numbers of our own pid namespace; those that we cannot see are left out (they read 0).

        Raises SandboxGone when the cgroup has been removed.
        """
        with _existing(self.folder):
            found = {int(line) for line in (self.folder / "cgroup.procs").read_text().split()}
        return tuple(sorted(found - {0}))


def cgroup_of(pid: int) -> Cgroup:
    """The cgroup of a process. Raises SandboxGone when it has ended, Unavailable when no hierarchy is mounted."""
    return locate(of(pid, "cgroup"), parse_cgroup_mounts(text(PROC / "self/mountinfo")))


def locate(membership: str, mounts: Iterable[CgroupMount]) -> Cgroup:
    """Folders from the text of /proc/PID/cgroup and the mounted hierarchies."""
    paths = parse_membership(membership)
    v1: dict[str, Path] = {}
    v2: Path | None = None
    for mount in mounts:
        if mount.version == 2 and "" in paths:
            v2 = v2 or _folder(mount, paths[""])
        for controller in mount.controllers & paths.keys():
            v1.setdefault(controller, _folder(mount, paths[controller]))
    if not v1 and v2 is None:
        raise Unavailable("No cgroup hierarchy is mounted here.", seen=repr(membership), remedy="mount cgroup2")
    return Cgroup(v1, v2)


def parse_membership(membership: str) -> dict[str, str]:
    """Controller -> path from lines "ID:controllers:path" of /proc/PID/cgroup; version 2 is the empty controller."""
    found = {}
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = path
    return found


def sample(cgroup: Cgroup) -> CgroupSample:
    """One reading of the CPU, memory and pids files of a cgroup.

    Raises SandboxGone when the cgroup has been removed, Unavailable when a controller is not switched on for it.
    """
    files = Files()
    at_s = time.monotonic()
    with _existing(cgroup.folder):
        cpu = cgroup_v1.cpu(files, cgroup.v1) if "cpu" in cgroup.v1 else cgroup_v2.cpu(files, _v2(cgroup))
        memory = (
            cgroup_v1.memory(files, cgroup.v1["memory"])
            if "memory" in cgroup.v1
            else cgroup_v2.memory(files, _v2(cgroup))
        )
        pids = cgroup_v1.pids(files, cgroup.v1.get("pids") or _v2(cgroup))  # the same files in both versions
    return CgroupSample(at_s, cgroup.version, cpu, memory, pids, files.used)


def _v2(cgroup: Cgroup) -> Path:
    if cgroup.v2 is None:
        raise Unavailable(
            "A controller is in no mounted hierarchy.",
            seen=f"version 1 has only {', '.join(sorted(cgroup.v1))}; version 2 is not mounted",
            remedy="mount cgroup2, or the missing version 1 controller",
        )
    return cgroup.v2


def _folder(mount: CgroupMount, path: str) -> Path:
    """A mount may show only a part of the hierarchy, as inside a container; then `path` begins with its root."""
    inside = os.path.relpath(path, mount.root) if path.startswith(mount.root.rstrip("/") + "/") else "."
    return Path(os.path.normpath(mount.folder / inside))


class _existing:
    """While reading a cgroup's files: its disappearance is SandboxGone, a missing file in it is Unavailable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, OSError):
            return
        if not self._folder.is_dir() or not isinstance(error, FileNotFoundError):
            raise SandboxGone(
                "The cgroup is gone: its last process has ended.", seen=f"{error}", remedy="start it again"
            ) from error
        raise Unavailable(
            "The kernel keeps no such figure for this cgroup.",
            seen=f"{error.filename} does not exist",
            remedy="switch the controller on in the parent's cgroup.subtree_control",
        ) from error
