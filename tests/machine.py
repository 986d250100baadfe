"""What could leak, and whose it is: only what belongs to this test session counts, whoever else uses the machine.

The session has a runtime folder of its own, so it knows the id of every owner that ever lived in it; and it marks its
environment, which every process that it starts inherits.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import secrets
import shutil
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sandboxes.lifecycle import MARK, RUNTIME

SESSION = "BOUNDARIES_TEST_SESSION"
_CREATED, _IS_FOLDER = 0x100, 0x40000000


class Births:
    """Who was born in the session's runtime folders, also those that have died since (inotify(7))."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.ids: set[str] = set()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._handle = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._top = self._watch(base)
        self._watch_user(base / f"boundaries-{os.getuid()}")

    def owners(self) -> frozenset[str]:
        """The ids of all owners until now."""
        while news := self._read():
            offset = 0
            while offset < len(news):
                watch, mask, _, length = struct.unpack_from("iIII", news, offset)
                name = news[offset + 16 : offset + 16 + length].rstrip(b"\0").decode()
                offset += 16 + length
                if mask & _IS_FOLDER and watch != self._top:
                    self.ids.add(name)
                elif mask & _IS_FOLDER:
                    self._watch_user(self.base / name)
        return frozenset(self.ids)

    def _watch_user(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._watch(folder)
        self.ids |= {path.name for path in folder.iterdir() if path.is_dir()}

    def _watch(self, folder: Path) -> int:
        watch = int(self._libc.inotify_add_watch(self._handle, os.fsencode(folder), _CREATED))
        assert watch > 0, os.strerror(ctypes.get_errno())
        return watch

    def _read(self) -> bytes:
        try:
            return os.read(self._handle, 1 << 16)
        except BlockingIOError:
            return b""


@cache
def births() -> Births:
    """The session's own; made at the first call, which sets the environment for all that the session starts."""
    base = Path(tempfile.mkdtemp(prefix="bnd-"))
    base.chmod(0o1777)
    atexit.register(shutil.rmtree, base, ignore_errors=True)
    os.environ |= {SESSION: secrets.token_hex(6), RUNTIME: str(base)}
    return Births(base)


def _marked(ids: frozenset[str]) -> Iterator[str]:
    """Processes with an owner's mark in their environment, and members of its cgroups; zombies have ended."""
    for program in _programs():
        if any(f"{MARK}={name}" in program.environment or f"boundaries-{name}" in program.cgroups for name in ids):
            yield program.name


def _cgroups(ids: frozenset[str]) -> Iterator[str]:
    for folder, names, _ in os.walk("/sys/fs/cgroup"):  # not a glob, which fails when one goes meanwhile
        yield from (f"{folder}/{name}" for name in names if name.removeprefix("boundaries-") in ids)


def _folders(ids: frozenset[str]) -> Iterator[str]:
    return (str(path) for path in births().base.glob("*/*") if path.name in ids)


def _mounts(ids: frozenset[str]) -> Iterator[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return (line.split()[4] for line in lines if any(name in line for name in ids))


def _sockets(ids: frozenset[str]) -> Iterator[str]:
    lines = Path("/proc/net/unix").read_text().splitlines()
    return (line.split()[-1] for line in lines if any(name in line for name in ids))


def _disks(ids: frozenset[str]) -> Iterator[str]:
    """Loop devices, by the file that lies behind them (loop(4))."""
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        with suppress(OSError):
            if any(name in file.read_text() for name in ids):
                yield file.parts[3]


OWNED: dict[str, Callable[[frozenset[str]], Iterator[str]]] = {
    "processes": _marked,
    "cgroups": _cgroups,
    "folders": _folders,
    "mounts": _mounts,
    "sockets": _sockets,
    "loop devices": _disks,
}
"""What an owner can leave on the machine, and how it is found by owners' ids. What only an engine knows: `labelled`."""


def left_of(owner_id: str) -> list[str]:
    """What there is of one owner, in words."""
    ids = frozenset({owner_id})
    return [f"{kind}: {name}" for kind, look in OWNED.items() for name in sorted(look(ids))]


def until_gone(owner_id: str, deadline_s: float) -> list[str]:
    """What is left of an owner once its things had `deadline_s` to go."""
    until = time.monotonic() + deadline_s
    while (left := left_of(owner_id)) and time.monotonic() < until:
        time.sleep(0.02)
    return left


@dataclass(frozen=True)
class Photograph:
    """Names by kind: of what this session owns, of its own processes, and of what carries no mark.

    `unmarked` is what a neighbour might have made as well; it counts only when nobody else is `about`.
    """

    owned: Mapping[str, frozenset[str]]
    unmarked: Mapping[str, frozenset[str]]
    about: bool

    @classmethod
    def take(cls) -> Photograph:
        ids = births().owners()
        programs = list(_programs())
        mine = {program.name for program in programs if program.session == os.environ[SESSION]}
        owned = {kind: frozenset(look(ids)) for kind, look in OWNED.items()}
        return cls(
            owned={**owned, "processes": owned["processes"] | mine},
            unmarked={
                "links": frozenset(os.listdir("/sys/class/net")),
                "mount points": frozenset(
                    line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()
                ),
            },
            about=any(_is_neighbour(program, ids) for program in programs),
        )

    def left_since(self, earlier: Photograph) -> dict[str, list[str]]:
        """What is there now and was not there then, by kind; empty when nothing was left."""
        pairs = {kind: (now, earlier.owned[kind]) for kind, now in self.owned.items()}
        if not (self.about or earlier.about):
            pairs |= {kind: (now, earlier.unmarked[kind]) for kind, now in self.unmarked.items()}
        return {kind: sorted(now - then) for kind, (now, then) in pairs.items() if now - then}


def settled(earlier: Photograph, deadline_s: float = 10.0) -> dict[str, list[str]]:
    """What is left once things had `deadline_s` to end on their own."""
    until = time.monotonic() + deadline_s
    while (left := Photograph.take().left_since(earlier)) and time.monotonic() < until:
        time.sleep(0.1)
    return left


@dataclass(frozen=True)
class Program:
    """A process that has not ended; its name has its start time, so that a reused pid is another process."""

    name: str
    environment: frozenset[str]
    cgroups: frozenset[str]
    session: str | None


def _programs() -> Iterator[Program]:
    """Source: proc_pid_environ(5), proc_pid_stat(5) fields 3 and 22, cgroups(7) for /proc/PID/cgroup."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            cgroups = frozenset((folder / "cgroup").read_text().replace("\n", "/").split("/"))
        except OSError:
            continue
        if fields[0] not in "ZX":
            session = next((line.partition("=")[2] for line in environ if line.startswith(f"{SESSION}=")), None)
            yield Program(f"{folder.name} {fields[19]} {command[:150]}", frozenset(environ), cgroups, session)


def _is_neighbour(program: Program, ids: frozenset[str]) -> bool:
    """It belongs to another book or to another test session."""
    marks = {line.partition("=")[2] for line in program.environment if line.startswith(f"{MARK}=")}
    return program.session not in (None, os.environ[SESSION]) or bool(marks - ids)
