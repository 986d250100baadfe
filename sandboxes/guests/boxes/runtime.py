"""The container runtime that a guest carries: crun with its libraries, out of packages, and the filter it is given.

Nothing is installed; they are fetched with apt into the cache, once.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sandboxes import apt
from sandboxes.apt import Archives
from sandboxes.errors import GuestUnavailable
from sandboxes.guests import cpio
from sandboxes.guests.cache import guests_folder
from sandboxes.guests.elf import interpreter, libraries
from sandboxes.guests.parts import Say, cached_part, content, megabytes, part, unpacked
from sandboxes.lifecycle.cache import kept

PROGRAM = "usr/bin/crun"
PACKAGE = "crun"
FILTER_PACKAGE, FILTER = "golang-github-containers-common", "usr/share/containers/seccomp.json"
"""The filter of system calls that Podman and, but for names, Docker give to every container: containers-common."""

_UNNEEDED = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")


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


def parse_libraries(depends: str) -> tuple[str, ...]:
    """The libraries among the packages that `apt-cache depends --recurse` lists: each begins a line."""
    return tuple(re.findall(r"^(lib[a-z0-9.+-]+)$", depends, re.MULTILINE))


def with_libraries(program: str, files: dict[str, bytes]) -> list[cpio.Entry]:
    """The program, its loader, and all libraries that they ask for, out of `files` by their names.

    Raises GuestUnavailable when one is missing.
    """
    loader = interpreter(_taken(files, Path(program).name))
    entries = [cpio.folder("lib64"), cpio.file(program, files[Path(program).name], 0o755)]
    if loader:
        entries.append(cpio.file(loader.lstrip("/"), _taken(files, Path(loader).name), 0o755))
    wanted, known = [Path(program).name], set[str]()
    while wanted:
        for name in libraries(_taken(files, wanted.pop())):
            if name not in known and not (loader and loader.endswith(name)):
                known.add(name)
                wanted.append(name)
    return [*entries, *(cpio.file(f"lib/{name}", files[name], 0o755) for name in sorted(known))]


def _place() -> Path:
    return guests_folder() / "parts" / PACKAGE / f"{PACKAGE}.cpio"


def _make(fresh: Path, say: Say) -> None:
    with tempfile.TemporaryDirectory(prefix="apt-", dir=fresh.parent) as temporary:
        without = (f"--no-{kind}" for kind in _UNNEEDED)
        packages = parse_libraries(apt.run("apt-cache", "depends", "--recurse", *without, PACKAGE))
        archives = Archives(Path(temporary))
        tree = unpacked(archives, [PACKAGE, *archives.offered(packages)], say)
        content(tree, PROGRAM, PACKAGE)
        data = cpio.archive(with_libraries(PROGRAM, _by_name(tree.rglob("*"))))
    fresh.write_bytes(data)
    say(f"keeping the container runtime of guests ({megabytes(len(data))}) in the cache")


def _by_name(paths: Iterable[Path]) -> dict[str, bytes]:
    """Programs and libraries by the last part of their paths; a library is asked for by the name of a link to it."""
    return {path.name: path.read_bytes() for path in paths if path.is_file() and _may_run(path)}


def _may_run(path: Path) -> bool:
    return path.name == Path(PROGRAM).name or ".so" in path.name


def _taken(files: dict[str, bytes], name: str) -> bytes:
    if name in files:
        return files[name]
    raise GuestUnavailable(
        f"A library of {PACKAGE} is missing.", seen=f"no {name} in its packages", remedy="report this package"
    )


def _needed(path: Path | None) -> Path:
    if path and path.is_file():
        return path
    raise GuestUnavailable(
        "There is no container runtime for guests yet.",
        seen="none in the cache",
        remedy="run ./textbook once: its set-up fetches one with apt, without installing it",
    )
