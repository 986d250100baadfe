"""Single files of a cgroup: reading, remembering which figure came from which, and writing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from sandboxes.errors import BadRequest, SandboxGone, Unavailable

_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_REFUSED = (errno.EINVAL, errno.ERANGE, errno.EBUSY, errno.ENODEV, errno.E2BIG, errno.ENOSPC, errno.EOPNOTSUPP)


class Files:
    """Reads files; `used` says which file each figure came from."""

    def __init__(self) -> None:
        self.used: dict[str, str] = {}

    def text(self, figure: str, path: Path) -> str:
        """The file's text. Raises FileNotFoundError."""
        content = path.read_text()
        self.used[figure] = str(path)
        return content

    def maybe(self, figure: str, path: Path) -> str | None:
        """The file's text, or None: the kernel is older than the file, or this is the root cgroup."""
        try:
            return self.text(figure, path)
        except FileNotFoundError:
            return None


def flat_keyed(content: str) -> dict[str, int]:
    """Lines of "key value" (Documentation/admin-guide/cgroup-v2.rst, "Interface Files")."""
    pairs = (line.split() for line in content.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}


def number_or_max(content: str) -> int | None:
    """A number, or None for "max": no limit."""
    word = content.strip()
    return None if word == "max" else int(word)


def write(path: Path, content: str, *, field: str) -> None:
    """The kernel has taken the text. `field` is what the caller calls it.

    Raises SandboxGone when the cgroup, or the process whose number was written, is gone; Unavailable when the file
    does not exist or this user may not write it; BadRequest when the kernel refuses the value.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(handle, content.encode())
        finally:
            os.close(handle)
    except OSError as error:
        raise _explained(error, path, content, field) from error


def missing(path: object) -> Unavailable:
    """The cgroup is there, and has no such file."""
    return Unavailable(
        "The kernel keeps no such figure for this cgroup.",
        seen=f"{path} does not exist",
        remedy="switch the controller on in the parent's cgroup.subtree_control",
    )


def _explained(error: OSError, path: Path, content: str, field: str) -> Exception:
    seen = f"{content!r} into {path}: {error.strerror}"
    if error.errno == errno.ESRCH:
        return SandboxGone("The process has ended.", seen=seen, remedy="start it again")
    if error.errno in (errno.ENOENT, errno.ENODEV) and not path.parent.is_dir():
        return SandboxGone("The cgroup has been removed.", seen=seen, remedy="make it again")
    if error.errno == errno.ENOENT:
        return missing(path)
    if error.errno in _FORBIDDEN:
        return Unavailable("This user may not change this cgroup.", seen=seen, remedy="run as root, or use an engine")
    if error.errno in _REFUSED:
        return BadRequest(field, "is refused by the kernel.", seen=seen, remedy="a value that fits parent and usage")
    return error
