"""The owner of sandboxes: this process, its folder, its guard, and what it has to close when it ends."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from sandboxes.lifecycle import guard
from sandboxes.lifecycle.folders import runtime_folder

LABEL = "boundaries.owner"
"""Label on containers, networks and images' containers; its value is the owner's id."""


class Closable(Protocol):
    def close(self) -> None: ...


class Owner:
    """One per process. `id` marks what it owns, `folder` (0700, short path) holds its sockets and logs.

    A guard process waits on the owner's pidfd (pidfd_open(2)) and removes everything when the owner dies, however.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.id = secrets.token_hex(6)
        self._adopted: list[Closable] = []
        self._lock = threading.RLock()
        self._closed = False
        runtime = runtime_folder()
        self.folder = runtime / self.id
        with _runtime_lock(runtime):
            (self.folder / "farewell").mkdir(parents=True, mode=0o700)
            self._lock_handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock_handle, fcntl.LOCK_EX)
            dead = guard.dead_owners(runtime)
        for owner_id, folder, handle in dead:
            guard.reap(owner_id, folder)
            os.close(handle)
        self._guard = self._start_guard()
        atexit.register(self.close)

    @property
    def guard_pid(self) -> int:
        return self._guard.pid

    @property
    def label(self) -> dict[str, str]:
        """Labels for whatever an engine makes for this owner."""
        return {LABEL: self.id}

    def environment(self) -> dict[str, str]:
        """The environment for every process started for this owner: ours, with the mark by which it will be found."""
        return {**os.environ, guard.MARK: self.id}

    def adopt(self, resource: Closable) -> None:
        """`resource.close()` will be called when this process ends; newest first."""
        with self._lock:
            self._adopted.append(resource)

    def release(self, resource: Closable) -> None:
        """The resource closed itself; unknown ones are fine."""
        with self._lock, contextlib.suppress(ValueError):
            self._adopted.remove(resource)

    def leave_command(self, name: str, argv: list[str]) -> None:
        """`argv` will be run once after this owner's processes are gone: for things that only an engine can remove."""
        (self.folder / "farewell" / f"{name}.json").write_text(json.dumps(argv))

    def forget_command(self, name: str) -> None:
        """What was left under `name` has been done already, and will not be run."""
        (self.folder / "farewell" / f"{name}.json").unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing of this owner is left, its guard included. Does nothing in a forked child, nor a second time."""
        if self._closed or os.getpid() != self.pid:
            return
        self._closed = True
        with self._lock:
            adopted, self._adopted = self._adopted[::-1], []
        for resource in adopted:
            with contextlib.suppress(Exception):
                resource.close()
        guard.reap(self.id, self.folder)
        self._guard.kill()  # it ignores every other signal, and nothing is left for it to do
        self._guard.wait()
        os.close(self._lock_handle)

    @property
    def closed(self) -> bool:
        return self._closed

    def _start_guard(self) -> subprocess.Popen[bytes]:
        handle = os.pidfd_open(self.pid)
        try:
            return subprocess.Popen(
                [sys.executable, "-S", "-E", guard.__file__, self.id, str(self.folder), str(handle)],
                pass_fds=[handle],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        finally:
            os.close(handle)


@contextlib.contextmanager
def _runtime_lock(runtime: Path) -> Iterator[None]:
    handle = os.open(runtime / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


_current: Owner | None = None
_making = threading.Lock()


def owner() -> Owner:
    """The owner for this process, made at the first call (about 5 ms): sweeps dead owners, then starts the guard."""
    global _current
    with _making:
        if _current is None or _current.pid != os.getpid() or _current.closed:
            _current = Owner()
        return _current
