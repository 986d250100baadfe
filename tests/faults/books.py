"""Another book: a process that owns sandboxes, to be asked, to be killed; and what an engine holds for an owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker

from sandboxes.lifecycle import LABEL
from tests.machine import left_of

_FIRST = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
from sandboxes.lifecycle import owner
print(owner().id, owner().guard_pid, flush=True)
"""
"""As started from a terminal, also where these tests run without one and a signal is ignored (nohup(1))."""
WAITING = """
print("ready", flush=True)
sys.stdin.readline()
"""
"""At the end of a script: it says that it has done all of it, and waits."""
ANSWERING = """
import sandboxes.containers as c
box = c.container(network=True)
job = box.start("sleep 1000")
for line in sys.stdin:
    assert job.running()
    print(box.run(["echo", line.strip()]).stdout.strip(), flush=True)
"""
"""It says again whatever it is told, by way of its container, in which a job runs on."""


class Book:
    """A Python process that has an owner, and runs `script`; what it prints can be read line by line."""

    def __init__(self, script: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _FIRST + script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        words = self.read().split()
        self.id, self.guard_pid = words[0], int(words[1])

    def read(self) -> str:
        """Its next line; empty when it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def ask(self, line: str) -> str:
        """What it says to a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.read()

    def kill(self, *, guard: bool = False) -> list[str]:
        """SIGKILL, to its guard as well when asked for; the lines that it had still said."""
        if guard:
            os.kill(self.guard_pid, signal.SIGKILL)
        self.process.kill()
        return self.end()

    def end(self) -> list[str]:
        """It has ended, by itself unless it was killed; the lines that it had still said."""
        said, _ = self.process.communicate(timeout=60)
        return said.splitlines()


@contextmanager
def book(script: str, **environment: str) -> Iterator[Book]:
    """A book that is dead afterwards, and everything of it is gone."""
    opened = Book(script, **environment)
    try:
        yield opened
    finally:
        if opened.process.poll() is None:
            opened.kill()
            gone(opened)


KINDS: dict[str, Callable[[docker.APIClient, dict[str, str] | None], Iterable[Any]]] = {
    "container": lambda api, only: (entry["Id"] for entry in api.containers(all=True, filters=only)),
    "network": lambda api, only: (entry["Id"] for entry in api.networks(filters=only)),
    "volume": lambda api, only: (entry["Name"] for entry in api.volumes(filters=only)["Volumes"] or ()),
    "image": lambda api, only: (entry["Id"] for entry in api.images(filters=only)),
}
"""What an engine can hold, and how it is listed."""


def held(api: docker.APIClient, owner_id: str | None = None) -> set[str]:
    """What an engine holds: for one owner, or altogether."""
    only = {"label": f"{LABEL}={owner_id}"} if owner_id else None
    return {f"{kind} {name}" for kind, look in KINDS.items() for name in look(api, only)}


def descendants(pid: int) -> Iterator[int]:
    """Children, their children, and so on. Source: proc_pid_task_tid_children(5)."""
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield int(child)
            yield from descendants(int(child))


def part(engine_pid: int, name: str) -> int:
    """A program that belongs to an engine of the book's own, by its command's name."""
    return next(pid for pid in descendants(engine_pid) if Path(f"/proc/{pid}/comm").read_text().strip() == name)


def gone_after_s(left: Callable[[], Iterable[str]], deadline_s: float = 5.0) -> float:
    """How long it took until nothing was left. Fails with what is left at the deadline."""
    begun = time.monotonic()
    while found := list(left()):
        assert time.monotonic() - begun < deadline_s, found
        time.sleep(0.01)
    return time.monotonic() - begun


def gone(dead: Book, deadline_s: float = 5.0) -> float:
    """Nothing of a book is left on the machine; how long that took."""
    return gone_after_s(lambda: left_of(dead.id), deadline_s)


def python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A script run to its end, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )
