"""The limits and counters of a cgroup, read from its files, whichever version of cgroups holds them: cgroups(7)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandboxes.errors import BadRequest, SandboxGone, Unavailable
from sandboxes.kernel import cgroup_v1, cgroup_v2
from sandboxes.kernel.cgroup_files import Files, missing
from sandboxes.kernel.mounts import CgroupMount, parse_cgroup_mounts
from sandboxes.kernel.reading import PROC, of, text
from sandboxes.model import CgroupSample

CONTROLLERS = ("cpu", "cpuacct", "memory", "pids")
"""Those that a sample needs; in version 2 cpuacct is part of cpu."""


@dataclass(frozen=True)
class Cgroup:
    """Where a process is: a folder for each version 1 controller, and the folder in the version 2 tree, if mounted.

    `elsewhere` are those of them that lie at another path than `folder`: other processes are in them too.
    """

    v1: Mapping[str, Path]
    v2: Path | None
    elsewhere: frozenset[Path] = frozenset()

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

    @property
    def folders(self) -> tuple[Path, ...]:
        """Every folder once: controllers of version 1 may be mounted together."""
        return tuple(dict.fromkeys([*self.v1.values(), *([self.v2] if self.v2 else [])]))

    @property
    def own_v2(self) -> Path | None:
        """The folder in the version 2 tree when it holds these processes and no others; a root never does.

        Only a root has no cgroup.type (cgroup-v2.rst, Core Interface Files).
        """
        own = self.v2 is not None and self.v2 not in self.elsewhere and (self.v2 / "cgroup.type").exists()
        return self.v2 if own else None

    def folder_of(self, *names: str) -> Path:
        """The folder that holds a controller, by its name in either version. Raises Unavailable."""
        found = next((self.v1[name] for name in names if name in self.v1), self.v2)
        if found is None:
            raise Unavailable(
                "A controller is in no mounted hierarchy.",
                seen=f"version 1 has only {', '.join(sorted(self.v1))}; version 2 is not mounted",
                remedy="mount cgroup2, or the missing version 1 controller",
            )
        return found

    def check_own(self) -> None:
        """Raises BadRequest when a folder is the root of its hierarchy or one with other processes in it."""
        for folder in self.folders:
            if folder in self.elsewhere or os.path.ismount(folder):
                raise BadRequest(
                    "cgroup",
                    "holds other processes too.",
                    seen=f"{folder} beside {self.folder}",
                    remedy="use a cgroup of make_cgroup(), or of a container",
                )

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
    return Cgroup(v1, v2, _elsewhere(paths, v1, v2))


def _elsewhere(paths: Mapping[str, str], v1: Mapping[str, Path], v2: Path | None) -> frozenset[Path]:
    """Folders at another path than that of the pids controller, or of the first one that there is."""
    reference = next((name for name in ("pids", "memory", "cpu", *v1) if name in v1), "")
    others = {folder for name, folder in v1.items() if paths[name] != paths[reference]}
    return frozenset(others | ({v2} if v2 and paths[""] != paths[reference] else set()))


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
        cpu = cgroup_v1.cpu(files, cgroup.v1) if "cpu" in cgroup.v1 else cgroup_v2.cpu(files, cgroup.folder_of())
        memory = (
            cgroup_v1.memory(files, cgroup.v1["memory"])
            if "memory" in cgroup.v1
            else cgroup_v2.memory(files, cgroup.folder_of())
        )
        pids = cgroup_v1.pids(files, cgroup.folder_of("pids"))  # the same files in both versions
    return CgroupSample(at_s, cgroup.version, cpu, memory, pids, files.used)


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
        raise missing(error.filename) from error
