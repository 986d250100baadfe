"""Making, filling and limiting cgroups, whichever version holds a controller: cgroups(7), cgroup-v2.rst."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from sandboxes.errors import BadRequest, RunTimeout, SandboxGone, Unavailable
from sandboxes.kernel import cgroup_v1
from sandboxes.kernel.cgroup_files import write
from sandboxes.kernel.cgroup_settings import names_in_v1, settings
from sandboxes.kernel.cgroups import Cgroup
from sandboxes.kernel.mounts import parse_cgroup_mounts
from sandboxes.kernel.reading import PROC, text
from sandboxes.model import CgroupLimits

CONTROLLERS = ("cpu", "memory", "pids", "io")
"""What a new cgroup can limit unless less, or "cpuset" too, is asked for; the names are those of version 2."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,60}){0,4}")


def make_cgroup(name: str, controllers: Collection[str] = CONTROLLERS, *, unified: bool = True) -> Cgroup:
    """A new empty cgroup without limits, `name` being its path in every hierarchy, such as "boundaries-ID/box".

    Parents are made as needed. On a machine with both versions it gets a folder in each hierarchy that holds one of
    the controllers, in that of freezer, and, unless `unified` is False, in the version 2 tree: pressure figures and
    cgroup.kill are there only. Raises BadRequest (also when it exists), Unavailable; then nothing new is left.
    """
    v1, tree = _hierarchies(name)
    in_v1 = [word for asked in controllers for word in names_in_v1(asked) if word in v1]
    in_v2 = [asked for asked in controllers if names_in_v1(asked)[0] not in v1]
    _check_offered(in_v2, tree)
    in_v1 += [word for word in ("freezer",) if word in v1]
    made: list[Path] = []
    try:
        folders = {word: _make(v1[word], name, made) for word in in_v1}
        in_tree = tree is not None and (unified or not v1 or in_v2)
        return Cgroup(folders, _make(tree, name, made, switch_on=in_v2) if tree and in_tree else None)
    except BaseException:
        for folder in reversed(made):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def named_cgroup(name: str) -> Cgroup:
    """The cgroup that exists at this path in the mounted hierarchies, whoever made it: such as one's parent, to limit
    all that is below it together. Raises BadRequest, and SandboxGone when no hierarchy has it.
    """
    v1, tree = _hierarchies(name)
    found = {word: root / name for word, root in v1.items() if (root / name).is_dir()}
    in_tree = tree / name if tree and (tree / name).is_dir() else None
    if not found and in_tree is None:
        raise SandboxGone("There is no such cgroup.", seen=f"{name} in no hierarchy", remedy="make_cgroup() it")
    return Cgroup(found, in_tree)


def remove_cgroup(cgroup: Cgroup, deadline_s: float = 2.0) -> None:
    """The cgroup and those below it are gone from every hierarchy; its parents stay. Removing again does nothing.

    A process that was killed counts until the kernel has taken it apart, so a busy cgroup is tried again until the
    deadline. Raises RunTimeout when processes are still in it then, BadRequest for a hierarchy's root.
    """
    cgroup.check_own()
    until = time.monotonic() + deadline_s
    while left := [folder for folder in cgroup.folders if not _removed(folder)]:
        if time.monotonic() > until:
            raise RunTimeout(
                f"A cgroup could not be removed within {deadline_s:g} s.",
                seen=f"{left[0]} still has processes or is in use",
                remedy="end them first: kill_cgroup()",
            )
        time.sleep(0.002)


def attach(cgroup: Cgroup, pid: int) -> None:
    """The process with all its threads is a member; children that it has already stay where they are.

    The kernel waits for all CPUs to take notice, some 10 ms, when nobody else has just done the same. In version 1 a
    process with one thread enters without that wait, by writing "0" to `tasks` itself (cgroup_attach_lock() in
    kernel/cgroup/cgroup.c).
    Raises SandboxGone when process or cgroup has ended, Unavailable when this user may not.
    """
    for folder in cgroup.folders:
        write(folder / "cgroup.procs", str(pid), field="pid")


def set_limits(cgroup: Cgroup, limits: CgroupLimits) -> None:
    """What is given has been written; what is None is as it was.

    Raises BadRequest for what is impossible and for what the kernel refuses (as version 1 does for less memory than
    is in use), Unavailable when the controller is not switched on for this cgroup, SandboxGone.
    """
    if "memory" in cgroup.v1:
        limits = _with_memory_v1(limits, cgroup.v1["memory"])
    for setting in settings(limits, cgroup.v1.keys()):
        write(cgroup.folder_of(*names_in_v1(setting.controller)) / setting.file, setting.text, field=setting.file)


def _hierarchies(name: str) -> tuple[dict[str, Path], Path | None]:
    """Where each version 1 controller, and the version 2 tree, is mounted. Raises BadRequest for a bad name."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadRequest("name", "is no path of a cgroup.", seen=repr(name), remedy='plain words, as in "mine/box"')
    mounts = parse_cgroup_mounts(text(PROC / "self/mountinfo"))
    v1 = {word: mount.folder for mount in reversed(mounts) for word in mount.controllers}
    return v1, next((mount.folder for mount in mounts if mount.version == 2), None)


def _with_memory_v1(limits: CgroupLimits, folder: Path) -> CgroupLimits:
    """The same, with the half of memory and swap that was not given as it is now: version 1 limits their sum."""
    if (limits.memory_bytes is None) == (limits.swap_bytes is None):
        return limits
    memory_bytes, swap_bytes = cgroup_v1.memory_and_swap_limits(folder)
    if limits.memory_bytes is None:
        return replace(limits, memory_bytes="max" if memory_bytes is None else memory_bytes)
    return limits if swap_bytes is None else replace(limits, swap_bytes=swap_bytes)


def _check_offered(controllers: Collection[str], tree: Path | None) -> None:
    """Version 2 must hold what version 1 does not."""
    offered = (tree / "cgroup.controllers").read_text().split() if tree else []
    if missing := sorted(set(controllers) - set(offered)):
        raise Unavailable(
            f"This machine has no cgroup controller {', '.join(missing)}.",
            seen=f"in no version 1 hierarchy; version 2 offers {' '.join(offered) or 'nothing'}",
            remedy="mount cgroup2, or start the kernel without cgroup_disable=",
        )


def _make(root: Path, name: str, made: list[Path], switch_on: Collection[str] = ()) -> Path:
    """The folder, with its parents; what is new is added to `made`. A new cpuset takes nobody in until it is filled."""
    folder = root
    for word in name.split("/"):
        parent, folder = folder, folder / word
        _switch_on(parent, switch_on)
        if _made(folder, last=folder == root / name):
            made.append(folder)
        if (folder / "cpuset.effective_cpus").exists():
            _fill_cpuset(folder, parent)
    return folder


def _switch_on(parent: Path, controllers: Collection[str]) -> None:
    """Cgroups below have these controllers. A cgroup that has processes can pass none on, but for the machine's root:
    in a container the root that is seen is none (cgroup-v2.rst, "No Internal Process Constraint").
    """
    file = parent / "cgroup.subtree_control"
    on = file.read_text().split() if file.exists() else ()
    lacking = [word for word in controllers if word not in on]
    try:
        if lacking:
            write(file, " ".join(f"+{word}" for word in lacking), field="controllers")
    except BadRequest as error:
        raise Unavailable(
            f"Controllers cannot be switched on for cgroups below {parent}.",
            seen=error.seen,
            remedy="move the processes in it to a cgroup below it, or use an engine, which makes cgroups for you",
        ) from error


def _made(folder: Path, last: bool) -> bool:
    try:
        folder.mkdir()
        return True
    except FileExistsError:
        if last:
            raise BadRequest(
                "name", "is taken.", seen=f"{folder} exists", remedy="another name, or remove_cgroup() first"
            ) from None
        return False
    except OSError as error:
        raise Unavailable(
            "Cgroups cannot be made by this user here.",
            seen=f"{folder}: {error.strerror}",
            remedy="run as root, or use an engine, which makes them for you",
        ) from error


def _fill_cpuset(folder: Path, parent: Path) -> None:
    """Version 1: what the parent really has (cgroup-v1/cpusets.rst)."""
    for kind in ("cpus", "mems"):
        if not (folder / f"cpuset.{kind}").read_text().strip():
            write(folder / f"cpuset.{kind}", (parent / f"cpuset.effective_{kind}").read_text().strip(), field="cpuset")


def _removed(folder: Path) -> bool:
    for below, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(below)
    return not folder.is_dir()
