"""The programs of an engine that a guest carries: dockerd and what it starts, out of packages; nothing is installed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sandboxes.apt import Archives
from sandboxes.errors import GuestUnavailable
from sandboxes.guests import cpio
from sandboxes.guests.boxes.runtime import found_runtime, prepare_runtime
from sandboxes.guests.cache import guests_folder
from sandboxes.guests.libraries import library_packages, with_libraries
from sandboxes.guests.parts import Say, content, megabytes
from sandboxes.guests.xen.parts import parse_dependencies
from sandboxes.lifecycle.cache import kept

PACKAGE = "docker.io"
PROGRAMS = {
    "usr/sbin/dockerd": PACKAGE,
    "usr/bin/containerd": "containerd",
    "usr/bin/containerd-shim-runc-v2": "containerd",
    "usr/bin/tini-static": "tini",
}
"""Path -> package. The runtime is that of guests with containers, crun, which starts a container sooner than runc."""

_FOLDERS = ("usr/sbin",)


def prepare_parts(say: Say) -> None:
    """They are in the cache. Raises Unavailable when apt cannot offer a package, GuestUnavailable."""
    prepare_runtime(say)
    kept(_place(), lambda fresh: _make(fresh, say))


def found_parts() -> Path | None:
    """The archive for an initramfs, if it is in the cache with the runtime; fetches nothing, checks nothing."""
    return _place() if _place().is_file() and found_runtime() else None


def parts_archive() -> bytes:
    """The programs with their libraries, for an initramfs. Raises GuestUnavailable when they are not in the cache."""
    path = found_parts()
    if path is None:
        raise GuestUnavailable(
            "There is no container engine for guests yet.", seen="none in the cache", remedy="run ./textbook engine"
        )
    return path.read_bytes()


def _place() -> Path:
    return guests_folder() / "parts" / PACKAGE / "engine.cpio"


def _make(fresh: Path, say: Say) -> None:
    with tempfile.TemporaryDirectory(prefix="apt-", dir=fresh.parent) as temporary:
        archives = Archives(Path(temporary))
        packages = list(dict.fromkeys(PROGRAMS.values()))
        direct = {name for one in packages for name in parse_dependencies(archives.about(one).get("Depends", ""))}
        libraries = library_packages(archives, sorted(name for name in direct if name.startswith("lib")))
        wanted = [*packages, *libraries]
        say(f"fetching a container engine for guests ({megabytes(archives.size_bytes(*wanted))}), once")
        tree = archives.unpacked(*wanted)
        programs = {path: content(tree, path, package) for path, package in PROGRAMS.items()}
        entries = [*(cpio.folder(path) for path in _FOLDERS), *with_libraries(programs, tree)]
        entries.append(cpio.link("usr/bin/docker-init", "tini-static"))
        data = cpio.archive(entries)
    fresh.write_bytes(data)
    say(f"keeping it ({megabytes(len(data))}) in the cache")
