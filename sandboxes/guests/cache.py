"""Files in the cache: written whole or not at all, readable by an emulator without privileges."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sandboxes.lifecycle import cache_folder


def guests_folder() -> Path:
    """Where kernels, initramfs and what was learnt about the accelerator are kept."""
    folder = cache_folder() / "guests"
    folder.mkdir(exist_ok=True)
    return folder


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
def locked(name: str) -> Iterator[None]:
    """One process at a time; the lock goes with the process that holds it (flock(2))."""
    handle = os.open(guests_folder() / f".{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
