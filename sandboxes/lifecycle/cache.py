"""Files in the cache: written whole or not at all, and used only while their content is what it was."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from sandboxes.errors import SandboxError, Unavailable


def put(path: Path, data: bytes) -> None:
    """`path` holds the data; whoever looks meanwhile sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


@contextlib.contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """One process at a time; the lock goes with the process that holds it (flock(2))."""
    handle = os.open(folder / f".{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def kept(path: Path, make: Callable[[Path], None]) -> str:
    """`path` is there with the content that it had when it was made; else `make` writes it anew. Its sha256.

    The sum is beside it, as sha256sum(1) writes it. `make` gets a path in a folder of its own, where it may leave
    other things. Raises what `make` raises, and Unavailable when the cache cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.parent, path.name):
            return _intact(path) or _made(path, make)
    except SandboxError:
        raise
    except OSError as error:
        raise Unavailable(
            f"{path.name} cannot be kept in the cache.",
            seen=str(error),
            remedy="make room on that disk, or name another folder in XDG_CACHE_HOME",
        ) from error


def sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _intact(path: Path) -> str | None:
    if not path.is_file() or not _note(path).is_file():
        return None
    found = sha256(path)
    return found if _note(path).read_text(errors="replace") == f"{found}  {path.name}\n" else None


def _made(path: Path, make: Callable[[Path], None]) -> str:
    for left in path.parent.glob(f".{path.name}-*"):  # by a process that was killed: we hold the lock
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent, ignore_cleanup_errors=True) as folder:
        fresh = Path(folder, path.name)
        make(fresh)
        found = sha256(fresh)
        os.replace(fresh, path)
    put(_note(path), f"{found}  {path.name}\n".encode())
    return found
