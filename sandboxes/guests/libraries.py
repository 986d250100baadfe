"""Programs that need libraries, made to run where there is nothing but them: their libraries come along."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from sandboxes import apt
from sandboxes.apt import Archives
from sandboxes.errors import GuestUnavailable
from sandboxes.guests.cpio import Entry, file, folder
from sandboxes.guests.elf import interpreter, libraries

_UNNEEDED = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")


def library_packages(archives: Archives, packages: Iterable[str]) -> list[str]:
    """The packages with libraries that these need, and those need in turn. Raises Unavailable."""
    without = (f"--no-{kind}" for kind in _UNNEEDED)
    return archives.offered(parse_libraries(apt.run("apt-cache", "depends", "--recurse", *without, *packages)))


def parse_libraries(depends: str) -> tuple[str, ...]:
    """The libraries among the packages that `apt-cache depends --recurse` lists: each begins a line. One is zlib1g."""
    return tuple(dict.fromkeys(re.findall(r"^(z?lib[a-z0-9.+-]+)$", depends, re.MULTILINE)))


def with_libraries(programs: Mapping[str, bytes], tree: Path, also: Iterable[str] = ()) -> list[Entry]:
    """The programs under their paths, their loader, and in /lib every library that they ask for and `also`.

    Both are looked for in `tree` by name: a library is asked for by the name of a link to it. Raises GuestUnavailable
    when one is missing.
    """
    found = {path.name: path for path in tree.rglob("*.so*") if path.is_file()}
    loaders = {path for data in programs.values() if (path := interpreter(data))}
    known: dict[str, bytes] = {}
    wanted = [*also, *(name for data in programs.values() for name in libraries(data))]
    while wanted:
        name = wanted.pop()
        if name not in known:
            known[name] = _taken(found, name)
            wanted += libraries(known[name])
    names = {PurePosixPath(path).name for path in loaders}
    return [
        folder("lib64"),
        *(file(path.lstrip("/"), _taken(found, PurePosixPath(path).name), 0o755) for path in sorted(loaders)),
        *(file(f"lib/{name}", data, 0o755) for name, data in sorted(known.items()) if name not in names),
        *(file(path, data, 0o755) for path, data in programs.items()),
    ]


def _taken(found: Mapping[str, Path], name: str) -> bytes:
    if name in found:
        return found[name].read_bytes()
    raise GuestUnavailable(
        "A library is missing.", seen=f"no {name} in the packages that were fetched", remedy="report these packages"
    )
