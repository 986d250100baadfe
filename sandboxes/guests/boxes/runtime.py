"""The container runtime that a guest carries: crun with its libraries, out of packages, and the filter it is given.

Nothing is installed; they are fetched with apt into the cache, once.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from sandboxes.apt import Archives
from sandboxes.errors import GuestUnavailable
from sandboxes.guests import cpio
from sandboxes.guests.cache import guests_folder
from sandboxes.guests.libraries import library_packages, with_libraries
from sandboxes.guests.parts import Say, cached_part, content, megabytes, part, unpacked
from sandboxes.lifecycle.cache import kept

PROGRAM = "usr/bin/crun"
PACKAGE = "crun"
FILTER_PACKAGE, FILTER = "golang-github-containers-common", "usr/share/containers/seccomp.json"
"""The filter of system calls that Podman and, but for names, Docker give to every container: containers-common."""


def prepare_runtime(say: Say) -> None:
    """Both are in the cache. Raises Unavailable when apt cannot offer them, GuestUnavailable."""
    kept(_place(), lambda fresh: _make(fresh, say))
    part(FILTER_PACKAGE, FILTER, say)


def runtime_archive() -> bytes:
    """crun and its libraries as an archive for an initramfs. Raises GuestUnavailable when they are not in the cache."""
    return _needed(_place()).read_bytes()


def filter_text() -> str:
    """The filter as containers-common writes it, in JSON. Raises GuestUnavailable."""
    return _needed(cached_part(FILTER_PACKAGE, FILTER)).read_text()


def found_runtime() -> Path | None:
    """The archive, if it is in the cache together with the filter; fetches nothing, checks nothing."""
    return _place() if _place().is_file() and cached_part(FILTER_PACKAGE, FILTER) else None


def _place() -> Path:
    return guests_folder() / "parts" / PACKAGE / f"{PACKAGE}.cpio"


def _make(fresh: Path, say: Say) -> None:
    with tempfile.TemporaryDirectory(prefix="apt-", dir=fresh.parent) as temporary:
        archives = Archives(Path(temporary))
        tree = unpacked(archives, [PACKAGE, *library_packages(archives, [PACKAGE])], say)
        data = cpio.archive(with_libraries({PROGRAM: content(tree, PROGRAM, PACKAGE)}, tree))
    fresh.write_bytes(data)
    say(f"keeping the container runtime of guests ({megabytes(len(data))}) in the cache")


def _needed(path: Path | None) -> Path:
    if path and path.is_file():
        return path
    raise GuestUnavailable(
        "There is no container runtime for guests yet.",
        seen="none in the cache",
        remedy="run ./textbook once: its set-up fetches one with apt, without installing it",
    )
