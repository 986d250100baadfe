"""Containers that wait, started in the background, so that a reader gets one at once; each is used by one reader only.

A waiting container has run nothing but the book's own shell, which becomes the first command. What was taken is never
given back: it is removed when its reader closes it, and the pool starts another.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import threading
import time
from typing import Any

from sandboxes import kernel, model, request
from sandboxes.containers import members, sight
from sandboxes.containers.door import SHELL_S_OWN
from sandboxes.containers.finding import engine
from sandboxes.containers.sandbox import ContainerSandbox
from sandboxes.containers.wanted import Wanted, wanted
from sandboxes.errors import BadRequest, SandboxError, SandboxGone, Unavailable
from sandboxes.lifecycle import Closing, owner, runtime_folder

MOST = 16
"""Waiting containers of one process, all its pools together; each costs about 10 MB."""

LOOK_S = 2.0
"""So often the pool looks whether those that wait are still alive."""

REST_S = 0.3
"""So long after a taking the next start waits: the first command of what was taken has the CPUs to itself."""

_open_pools: list[Pool] = []
_lock = threading.Lock()
_numbers = itertools.count(1)


def pool(size: int = 2, **arguments: Any) -> Pool:
    """A pool that keeps `size` containers ready; the other arguments are those of container(), but for name and ports.

    The first ones are being started when this returns. Raises BadRequest, EngineUnavailable, LimitIgnored.
    Source of the idea: Oakes et al. 2018 (SOCK).
    """
    request.count("size", size, least=1, most=MOST)
    for name in ("name", "ports"):
        if name in arguments:
            raise BadRequest(name, "belongs to one container.", seen="pool()", remedy="publish() on what take() gave")
    asked = _checked(arguments)
    chosen = engine()
    chosen.enforce(asked.on(chosen.facts().enforces).limits)
    return Pool(size, asked)


def pool_costs() -> tuple[model.PoolCost, ...]:
    """What waits in all pools of this user, whichever process they are in, as each noted it in the last seconds."""
    found = []
    for note in sorted(runtime_folder().glob("*/pool-*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):  # it was closed just now
            found.append(model.PoolCost(**json.loads(note.read_text())))
    return tuple(found)


class Pool(Closing):
    """Works in `with`; it ends with its process at the latest."""

    def __init__(self, size: int, asked: Wanted) -> None:
        self.size = size
        self._asked, self._owner, self._pid = asked, owner(), os.getpid()
        self._waiting: list[ContainerSandbox] = []
        self._changed = threading.Condition()
        self._note = self._owner.folder / f"pool-{next(_numbers)}.json"
        self._error: Exception | None = None
        self._resting_until_s = 0.0
        self._closed = False
        _admit(self)
        self._owner.adopt(self)
        self._filler = threading.Thread(target=self._fill, name="pool", daemon=True)
        self._filler.start()

    @property
    def mine(self) -> bool:
        """It is open, and belongs to this process: a forked child has none of its parent's."""
        return not self._closed and self._pid == os.getpid() and not self._owner.closed

    def take(self) -> ContainerSandbox:
        """A container that nobody used; it is yours, close it when done. Its `warm` tells whether it had waited.

        An empty pool starts one now, and its `start_ms` is that of a cold start. Raises SandboxGone when the pool is
        closed; what the filler met when it could not start one, once, and then the filler tries again; and as
        container().
        """
        begun = time.monotonic()
        while True:
            with self._changed:
                self._check_open()
                error, self._error = self._error, None
                found = self._waiting.pop(0) if self._waiting else None
                self._resting_until_s = begun + REST_S
                self._changed.notify_all()
            if found is None and error is not None:
                raise error
            if found is None:
                return _start(self._asked)
            if _alive(found):
                found.taken(begun)
                return found
            found.close()

    def wait(self, timeout_s: float = 60.0) -> int:
        """How many are ready, once the pool is full, or the time is over, or the filler met an error."""
        limit = request.number("timeout_s", timeout_s, least=0, most=3600)
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) >= self.size or self._closed or self._error, limit)
            return len(self._waiting)

    def cost(self) -> model.PoolCost:
        """What the waiting ones hold on to, from the kernel's files (memory.current, smaps_rollup)."""
        with self._changed:
            waiting = list(self._waiting)
        memory, shims, seen = 0, 0, True
        for one in waiting:
            with contextlib.suppress(SandboxGone):  # it died just now
                memory += sight.sample(one.cgroup()).memory.current_bytes
                try:
                    shims += kernel.pss_bytes(kernel.process(members.init_of(one.cgroup())).ppid)
                except Unavailable:
                    seen = False
        return model.PoolCost(self.size, len(waiting), memory, shims if seen else None)

    def close(self) -> None:
        """The waiting ones are removed; those that were taken are not touched. Safe to repeat."""
        with _lock, contextlib.suppress(ValueError):
            _open_pools.remove(self)
        with self._changed:
            self._closed = True
            waiting, self._waiting = self._waiting, []
            self._changed.notify_all()
        if self._pid != os.getpid():
            return
        for one in waiting:
            one.close()
        self._filler.join(60)  # one that it was starting is closed by it
        self._note.unlink(missing_ok=True)
        self._owner.release(self)

    def __repr__(self) -> str:
        return f"<pool of {self.size}, {'closed' if self._closed else f'{len(self._waiting)} ready'}>"

    def _check_open(self) -> None:
        if not self.mine:
            raise SandboxGone("The pool is closed.", seen=repr(self), remedy="make a new pool() in this process")

    def _fill(self) -> None:
        while not self._closed:
            self._replace_dead()
            self._write_note()
            with self._changed:
                full = len(self._waiting) >= self.size or self._error is not None
                rest_s = LOOK_S if full else self._resting_until_s - time.monotonic()
                if rest_s > 0 and not self._closed:
                    self._changed.wait(rest_s)
                    continue
            self._add_one()

    def _write_note(self) -> None:
        with contextlib.suppress(OSError, SandboxError):
            new = self._note.with_suffix(".new")
            new.write_text(json.dumps(dataclasses.asdict(self.cost())))
            new.rename(self._note)

    def _add_one(self) -> None:
        try:
            made = self._ready_one()
        except Exception as error:  # whatever it is, take() raises it: in this thread nobody would see it
            with self._changed:
                self._error = error
                self._changed.notify_all()
            return
        with self._changed:
            if not self._closed:
                self._waiting.append(made)
                self._changed.notify_all()
                return
        made.close()

    def _ready_one(self) -> ContainerSandbox:
        made = _start(self._asked)
        try:
            if not self._asked.env.keys() & SHELL_S_OWN:
                made.open_door()
        except BaseException:
            made.close()
            raise
        return made

    def _replace_dead(self) -> None:
        with self._changed:
            waiting = list(self._waiting)
        for one in waiting:
            if not _alive(one):
                with self._changed:
                    if one not in self._waiting:
                        continue
                    self._waiting.remove(one)
                one.close()


def _alive(box: ContainerSandbox) -> bool:
    """As the kernel sees it; an engine learns a little later that a container has died."""
    try:
        return sight.sample(box.cgroup()).pids.current > 0 if box.in_guest else members.init_of(box.cgroup()) > 0
    except SandboxGone:
        return False
    except Unavailable:  # its processes are on another machine
        return box.running()


def _start(asked: Wanted) -> ContainerSandbox:
    chosen = engine()
    return ContainerSandbox(chosen, asked.again().on(chosen.facts().enforces))


def _checked(arguments: dict[str, Any]) -> Wanted:
    try:
        return wanted(**arguments)
    except TypeError as error:
        raise BadRequest(
            "pool", "has an argument that container() has not.", seen=str(error), remedy="help(container)"
        ) from error


def _forked() -> None:
    """A child of fork(2) has no pools yet, and does not keep its parent's lock held."""
    global _lock, _open_pools
    _lock, _open_pools = threading.Lock(), []


os.register_at_fork(after_in_child=_forked)


def _admit(new: Pool) -> None:
    """Raises BadRequest when too many would wait."""
    with _lock:
        _open_pools[:] = [one for one in _open_pools if one.mine]
        total = sum(one.size for one in _open_pools) + new.size
        if total > MOST:
            raise BadRequest("size", "is too much.", seen=f"{total} in all pools", remedy=f"at most {MOST} together")
        _open_pools.append(new)
