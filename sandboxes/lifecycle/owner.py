"""The owner of sandboxes: this process, its folder, its guard, and what it has to close when it ends."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import secrets
import subprocess
import sys
import threading
from typing import Protocol

from sandboxes.errors import StartFailed
from sandboxes.lifecycle import guard, sweep

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
        with sweep.locked() as runtime:
            self.folder = runtime / self.id
            self.folder.mkdir(mode=0o700)
            self._lock_handle = sweep.lock(self.folder)
        (self.folder / "farewell").mkdir()
        self._guard = self._start_guard()
        sweep.sweep()
        atexit.register(self._end)

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
        if self._close_adopted():
            guard.reap(self.id, self.folder)
            self._guard.kill()  # it ignores every other signal, and nothing is left for it to do
            self._guard.wait()
            os.close(self._lock_handle)

    def _end(self) -> None:
        """At the end of the process its guard stays, and looks again: other threads may still be starting things."""
        if self._close_adopted():
            guard.kill_marked(self.id)
            guard.remove_cgroups(self.id)
            guard.remove_folder(self.folder)

    def _close_adopted(self) -> bool:
        if self._closed or os.getpid() != self.pid:
            return False
        self._closed = True
        with self._lock:
            adopted, self._adopted = self._adopted[::-1], []
        for resource in adopted:
            with contextlib.suppress(Exception):
                resource.close()
        return True

    @property
    def closed(self) -> bool:
        return self._closed

    def _start_guard(self) -> subprocess.Popen[bytes]:
        """It carries no mark itself, not even when this process is owned by another: it outlives us."""
        handle = os.pidfd_open(self.pid)
        try:
            return subprocess.Popen(
                [sys.executable, "-S", "-E", guard.__file__, self.id, str(self.folder), str(handle)],
                env={name: value for name, value in os.environ.items() if name != guard.MARK},
                pass_fds=[handle],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            guard.remove_folder(self.folder)
            os.close(self._lock_handle)
            raise StartFailed(
                "Nothing can be started: the process that would clean up after us did not start.",
                seen=str(error),
                remedy="free some memory or processes (ulimit -u shows how many you may have), then try it again",
            ) from error
        finally:
            os.close(handle)


_current: Owner | None = None
_making = threading.Lock()


def owner() -> Owner:
    """The owner for this process, made at the first call (about 5 ms): sweeps dead owners, then starts the guard."""
    global _current
    with _making:
        if _current is None or _current.closed:
            _current = Owner()
        return _current


def _forked() -> None:
    """A child of fork(2) owns nothing yet, and does not keep its parent's lock held when the parent is dead."""
    global _current, _making
    if _current is not None and not _current.closed:
        os.close(_current._lock_handle)
    _current, _making = None, threading.Lock()


os.register_at_fork(after_in_child=_forked)
