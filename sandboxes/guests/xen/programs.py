"""Programs that need libraries, made to run where there is nothing but them: their libraries come along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from sandboxes.errors import GuestUnavailable
from sandboxes.guests.cpio import Entry, file, folder
from sandboxes.guests.elf import interpreter, libraries

FOLDERS = ("lib64", "usr/lib")


def with_libraries(programs: Mapping[str, bytes], found: Mapping[str, bytes], also: Iterable[str] = ()) -> list[Entry]:
    """The programs under their paths, their loader, and in /usr/lib every library that they ask for and `also`.

    Libraries are taken out of `found` by name. Raises GuestUnavailable when one is missing.
    """
    loaders = {path for data in programs.values() if (path := interpreter(data))}
    names = {PurePosixPath(path).name for path in loaders}
    needed = _needed([*programs.values()], [*also], found) - names
    return [
        *(folder(path) for path in FOLDERS),
        *(file(path.lstrip("/"), _taken(found, PurePosixPath(path).name), 0o755) for path in sorted(loaders)),
        *(file(f"usr/lib/{name}", found[name], 0o755) for name in sorted(needed)),
        *(file(path, data, 0o755) for path, data in programs.items()),
    ]


def _needed(programs: list[bytes], also: list[str], found: Mapping[str, bytes]) -> set[str]:
    known: set[str] = set()
    wanted = [*also, *(name for data in programs for name in libraries(data))]
    while wanted:
        name = wanted.pop()
        if name not in known:
            known.add(name)
            wanted += libraries(_taken(found, name))
    return known


def _taken(found: Mapping[str, bytes], name: str) -> bytes:
    if name in found:
        return found[name]
    raise GuestUnavailable(
        "A program of Xen cannot run.", seen=f"no {name} in the packages that it needs", remedy="report these packages"
    )
