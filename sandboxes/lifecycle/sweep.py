"""Remove what owners left that died together with their guards: the lock of a dead owner is free."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from sandboxes.lifecycle import guard
from sandboxes.lifecycle.folders import runtime_folder


@contextlib.contextmanager
def locked() -> Iterator[Path]:
    """The runtime folder; meanwhile nobody else makes, judges or removes a folder in it."""
    while True:
        runtime = runtime_folder()
        with contextlib.suppress(FileNotFoundError):  # it may be removed just now, because nobody lived there
            handle = os.open(runtime / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle).st_nlink:
                break
            os.close(handle)
    try:
        yield runtime
    finally:
        os.close(handle)


def lock(folder: Path) -> int:
    """A handle that holds the lock of an owner's folder. Raises BlockingIOError when somebody else holds it."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def sweep() -> int:
    """Nothing is left of owners that are dead; how many there were. Safe while others sweep, start and end."""
    with locked() as runtime:
        dead = list(_dead(runtime))
    for folder, handle in dead:
        guard.reap(folder.name, folder)
        os.close(handle)
    return len(dead)


def leave() -> None:
    """The runtime folder is gone, unless somebody lives in it."""
    with locked() as runtime:
        if not any(path.is_dir() for path in runtime.iterdir()):
            shutil.rmtree(runtime)


def _dead(runtime: Path) -> Iterator[tuple[Path, int]]:
    """Folders whose lock is free, or that have none, as their owner died while making it; and the lock, taken."""
    for folder in runtime.iterdir():
        with contextlib.suppress(BlockingIOError, FileNotFoundError, NotADirectoryError):
            yield folder, lock(folder)
