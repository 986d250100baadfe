"""Files out of the distribution's packages, fetched when first needed and kept in the cache: nothing is installed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from sandboxes.apt import Archives
from sandboxes.errors import GuestUnavailable
from sandboxes.guests.cache import guests_folder
from sandboxes.lifecycle.cache import kept

Say = Callable[[str], None]


def part(package: str, name: str, say: Say) -> Path:
    """The file `name` of a package, with its content checked.

    Raises Unavailable when apt cannot offer the package, GuestUnavailable when there is no such file in it.
    """
    path = _place(package, name)

    def make(fresh: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="apt-", dir=fresh.parent) as temporary:
            tree = unpacked(Archives(Path(temporary)), [package], say)
            fresh.write_bytes(content(tree, name, package))
        fresh.chmod(0o755)
        say(f"keeping {fresh.name} ({megabytes(fresh.stat().st_size)}) in the cache")

    kept(path, make)
    return path


def cached_part(package: str, name: str) -> Path | None:
    """The same file if it is in the cache; fetches nothing, checks nothing."""
    path = _place(package, name)
    return path if path.is_file() else None


def unpacked(archives: Archives, packages: list[str], say: Say) -> Path:
    """The files of the packages, below one folder; `say` hears what is fetched, and how large it is."""
    for package in packages:
        say(f"fetching {package} ({megabytes(int(archives.about(package)['Size']))}), once")
    return archives.unpacked(*packages)


def _place(package: str, name: str) -> Path:
    return guests_folder() / "parts" / package / PurePosixPath(name).name


def content(tree: Path, name: str, package: str) -> bytes:
    """The bytes of an unpacked package's file. Raises GuestUnavailable when it is not in it."""
    path = tree / name
    if not path.is_file():
        raise GuestUnavailable(
            f"The package {package} is not what was expected.", seen=f"no /{name} in it", remedy="report this package"
        )
    return path.read_bytes()


def megabytes(size_bytes: int) -> str:
    """For people: "46.2 MB"."""
    return f"{size_bytes / 1e6:.1f} MB"
