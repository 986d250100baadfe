"""Files for a sandbox, which a program inside unpacks: the one way that also works where the root file
system is read-only and the writable places are tmpfs, which the engine's own archive call does not reach.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from sandboxes.errors import BadRequest

MOST_BYTES = 64 << 20
"""All contents of one call together."""

Content = str | bytes | Path
"""Text (UTF-8), bytes, or a file or folder of this machine."""

UNPACK = ("tar", "-x", "-f", "-", "-C", "/")


def archive(contents: Mapping[str, Content], field: str) -> bytes:
    """A tar with each content under its path. Only what is named is in it: folders above are made when missing.

    Raises BadRequest, naming `field`, for a path that is not absolute, a content of another kind, or too much of it.
    """
    buffer = io.BytesIO()
    left = MOST_BYTES
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, content in contents.items():
            inside = path_inside(field, path)
            for name, data, mode in _files(field, inside, content):
                left -= len(data)
                if left < 0:
                    raise _bad(field, "is too much.", path, f"{MOST_BYTES >> 20} MiB at the most in one call")
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode, entry.mtime = len(data), mode, int(time.time())
                tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def packed(contents: Mapping[str, Content] | None, places: Mapping[str, object], profile: str) -> bytes:
    """The tar of `files`, empty for none. `places` are all that can be written in a container of that profile; none
    named: everywhere. Raises BadRequest.
    """
    if contents is None or contents == {}:
        return b""
    if not isinstance(contents, Mapping):
        raise BadRequest("files", "is no table.", seen=repr(contents)[:80], remedy='{"/tmp/notes.txt": "text"}')
    tar = archive(contents, "files")
    outside = [path for path in contents if places and not writable(path, places)]
    if outside:
        raise BadRequest(
            "files",
            f"cannot be written there: a container of the {profile} profile has a read-only root.",
            seen=", ".join(outside)[:120],
            remedy=f'a path below {" or ".join(places)}, or profile="open"',
        )
    return tar


def path_inside(field: str, path: str) -> PurePosixPath:
    """An absolute path that names something below the root. Raises BadRequest."""
    if not isinstance(path, str) or "\0" in path or not path.startswith("/") or len(path) > 4000:
        raise _bad(field, "is no absolute path.", path, 'a path inside the sandbox, such as "/tmp/notes.txt"')
    found = PurePosixPath(path)
    if ".." in found.parts or len(found.parts) < 2:
        raise _bad(field, "does not name a file.", path, "a path without .., below /")
    return found


def writable(path: str, places: Mapping[str, object]) -> bool:
    """The path lies in one of these places."""
    return any(PurePosixPath(path).is_relative_to(place) for place in places)


def _files(field: str, inside: PurePosixPath, content: Content) -> Iterator[tuple[str, bytes, int]]:
    """One at a time, so that no more is read than is taken."""
    name = str(inside.relative_to("/"))
    if isinstance(content, Path):
        yield from _local(field, name, content)
    elif isinstance(content, str):
        yield name, content.encode(errors="surrogateescape"), 0o644
    elif isinstance(content, bytes):
        yield name, content, 0o644
    else:
        raise _bad(field, "is neither text, bytes nor a pathlib.Path.", content, "text, bytes, or Path('notes.txt')")


def _local(field: str, name: str, content: Path) -> Iterator[tuple[str, bytes, int]]:
    """A file of this machine, or all regular files of a folder; their execute bits are kept."""
    try:
        if content.is_dir():
            for path in _below(content):
                yield f"{name}/{path.relative_to(content)}", *_contents(path)
        else:
            yield name, *_contents(content)
    except OSError as error:
        raise _bad(field, "cannot be read on this machine.", error, "a file or folder that exists") from error


def _below(folder: Path) -> Iterator[Path]:
    for above, folders, names in os.walk(folder):
        folders.sort()
        yield from (path for name in sorted(names) if (path := Path(above, name)).is_file())


def _contents(path: Path) -> tuple[bytes, int]:
    seen = path.stat()
    if not stat.S_ISREG(seen.st_mode) or seen.st_size > MOST_BYTES:
        raise OSError(f"{path}: no regular file of at most {MOST_BYTES >> 20} MiB")
    return path.read_bytes(), 0o755 if seen.st_mode & stat.S_IXUSR else 0o644


def _bad(field: str, what: str, seen: object, remedy: str) -> BadRequest:
    shown = repr(seen)
    return BadRequest(field, what, seen=shown if len(shown) <= 120 else shown[:117] + "…", remedy=remedy)
