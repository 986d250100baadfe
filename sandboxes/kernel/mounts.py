"""What is mounted, for any process: proc_pid_mountinfo(5), mount_namespaces(7); cgroup hierarchies: cgroups(7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sandboxes.kernel.reading import of
from sandboxes.model import Mount, Shield

_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class CgroupMount:
    """One mounted hierarchy. `controllers` is empty for version 2; `root` is the cgroup that the mount shows as "/"."""

    controllers: frozenset[str]
    root: str
    folder: Path
    version: int


def mounts(pid: int) -> tuple[Mount, ...]:
    """What a process sees mounted, in the order of mounting. Raises SandboxGone, Unavailable."""
    return parse_mounts(of(pid, "mountinfo"))


def shields(pid: int) -> tuple[Shield, ...]:
    """Paths of /proc and /sys that a container engine has hidden from a process or made read-only for it.

    Raises SandboxGone, Unavailable.
    """
    return find_shields(mounts(pid))


def parse_mounts(mountinfo: str) -> tuple[Mount, ...]:
    """Lines "ID PARENT DEVICE ROOT TARGET OPTIONS [PROPAGATION…] - FSTYPE SOURCE FS_OPTIONS"."""
    return tuple(_parsed(mountinfo))


def _parsed(mountinfo: str) -> Iterator[Mount]:
    for line in mountinfo.splitlines():
        left, separator, right = line.partition(" - ")
        if not separator:
            continue
        number, parent, device, root, target, options, *propagation = left.split(" ")
        fstype, source, fs_options = right.split(" ", 2)
        yield Mount(
            id=int(number),
            parent_id=int(parent),
            device=device,
            root=_unescape(root),
            target=_unescape(target),
            options=tuple(options.split(",")),
            propagation=tuple(propagation),
            fstype=fstype,
            source=_unescape(source),
            fs_options=tuple(fs_options.split(",")),
        )


def find_shields(seen: Iterable[Mount]) -> tuple[Shield, ...]:
    """By path. A file is masked by /dev/null mounted over it, a folder by an empty tmpfs; a part is bound read-only.

    Source: OCI runtime specification, config-linux.md, "Masked Paths" and "Readonly Paths".
    """
    top = {mount.target: mount for mount in seen}
    found = []
    for target, mount in sorted(top.items()):
        base = next((base for base in ("/proc", "/sys") if target == base or target.startswith(f"{base}/")), None)
        if base and (how := _shielded(mount, base, top)):
            found.append(Shield(target, how, mount))
    return tuple(found)


def _shielded(mount: Mount, base: str, top: dict[str, Mount]) -> str | None:
    if mount.target != base and mount.root.endswith("/null"):
        return "masked"
    holds_others = any(target.startswith(f"{mount.target}/") for target in top)
    if mount.target != base and mount.fstype == "tmpfs" and not holds_others:
        return "masked"
    own = mount.fstype == {"/proc": "proc", "/sys": "sysfs"}[base]
    return "read-only" if own and "ro" in mount.options else None


def parse_cgroup_mounts(mountinfo: str) -> tuple[CgroupMount, ...]:
    """The cgroup mounts in the text of /proc/PID/mountinfo, in its order."""
    return tuple(
        CgroupMount(
            controllers=frozenset(mount.fs_options) - {"rw", "ro"} if mount.fstype == "cgroup" else frozenset(),
            root=mount.root,
            folder=Path(mount.target),
            version=1 if mount.fstype == "cgroup" else 2,
        )
        for mount in parse_mounts(mountinfo)
        if mount.fstype in ("cgroup", "cgroup2")
    )


def cgroup_layout(mountinfo: str) -> str:
    """ "v1", "v2", "hybrid" when both are mounted, or "none" (cgroups(7))."""
    versions = {mount.version for mount in parse_cgroup_mounts(mountinfo)}
    if versions == {1, 2}:
        return "hybrid"
    return f"v{versions.pop()}" if versions else "none"


def _unescape(word: str) -> str:
    r"""Space, tab, newline and backslash are written in octal, as \040."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), word)
