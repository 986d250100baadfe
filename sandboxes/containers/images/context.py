"""The files of a build, checked and packed: nothing of this machine is read."""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Mapping

from sandboxes.errors import BadRequest

CONTEXT_BYTES = 64 << 20
MOST_FILES = 2000


def checked(files: Mapping[str, str | bytes]) -> dict[str, bytes]:
    """Path -> content. Raises BadRequest for a path that leaves the context, or for too much."""
    if not isinstance(files, Mapping):
        raise _refused("is no dictionary.", type(files).__name__, 'files={"app/hello.sh": "echo hello"}')
    if len(files) > MOST_FILES:
        raise _refused("has too many files.", f"{len(files):,}", f"at most {MOST_FILES:,}")
    found = {_path(path): _content(path, content) for path, content in files.items()}
    if len(found) < len(files):
        raise _refused("names one file twice.", ", ".join(sorted(map(str, files)))[:100], "write each path one way")
    for path in found:
        if any(other.startswith(f"{path}/") for other in found):
            raise _refused("has one path as a file and as a folder.", path, "give one of them another name")
    size = sum(map(len, found.values()))
    if size > CONTEXT_BYTES:
        raise _refused("is too large.", f"{size >> 20} MiB", f"at most {CONTEXT_BYTES >> 20} MiB in all")
    return found


def packed(files: Mapping[str, bytes]) -> bytes:
    """A tar, the same bytes for the same files. What begins like a program (#! or ELF) may be executed: mode 755."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755 if content.startswith((b"#!", b"\x7fELF")) else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _path(path: object) -> str:
    if not isinstance(path, str) or not path or "\0" in path or len(path) > 1000:
        raise _refused("has a path that is no name.", repr(path)[:80], 'text such as "app/hello.sh"')
    if path.startswith("/") or ".." in path.split("/"):
        raise _refused("has a path that leaves the build's folder.", path[:80], "a relative path without ..")
    plain = posixpath.normpath(path)
    if plain == "." or path.endswith("/"):
        raise _refused("names a folder.", path[:80], "name a file; its folders are made")
    return plain


def _content(path: str, content: object) -> bytes:
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, bytes):
        return content
    raise _refused(
        "has a content that is neither text nor bytes.", f"{path[:60]}: {type(content).__name__}", "str or bytes"
    )


def _refused(what: str, seen: str, remedy: str) -> BadRequest:
    return BadRequest("files", what, seen=seen, remedy=remedy)
