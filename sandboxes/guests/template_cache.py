"""Templates on this machine: kept on disk for all of a reader's books, loaded into memory once in a process."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from sandboxes.guests.cache import guests_folder, locked
from sandboxes.guests.kernels import Say
from sandboxes.guests.machine import Boot, Machine, Wiring, arguments, needed_program
from sandboxes.guests.system import System
from sandboxes.guests.template import ABOUT, Damaged, Template, loaded
from sandboxes.lifecycle.cache import sha256
from sandboxes.model import GuestTemplate

FORM = 1
"""To be counted up when a template of the same guest is made or kept in another way."""

MOST, MOST_BYTES = 12, 3 << 30
"""So many templates, and so much of the disk; those that were not used for longest go first."""

LASTING = "lasting"
"""A file of this name says that a template was made on purpose: others do not push it out."""

MOST_LOADED = 4
"""So many a process holds in memory; guests that run from another one keep what they use of it."""

_loaded: OrderedDict[tuple[Path, str], Template] = OrderedDict()
_holding = threading.Lock()


def key_of(machine: Machine, system: System) -> str:
    """Of all that such a guest depends on: QEMU and its arguments, the content of files, with KVM the processor."""
    program = needed_program(machine.board.architecture)
    files = (*system.files, *([machine.firmware] if machine.firmware else []))
    wiring = Wiring(0, 0, 0, Boot("", ",".join(" ".join(one.words) for one in system.loaded), " ".join(system.words)))
    parts = [
        FORM,
        _build(program),
        arguments(machine, wiring),
        [_sum(path, *_times(path)) for path in files],
        _processor() if machine.accelerator == "kvm" else None,
        [one.command for one in system.warming],
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def template(key: str, what: str, make: Callable[[], Template], say: Say, *, lasting: bool = False) -> Template:
    """From this process's memory, else from disk, else made; two processes that want the same make it once.

    `lasting`: it stays on disk until it is removed, and takes no other's place there.

    When there is no room to keep it on disk, `say` hears so, and it lives as long as this process.
    Raises what `make` raises.
    """
    place = (templates_folder(), key)
    if found := _held(place):
        return found
    with locked(f"template-{key}"):
        for left in place[0].glob(f".{key}-*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        found = _held(place) or _kept(key) or _made(key, what, make, say, lasting)
        with _holding:
            _loaded[place] = found
            while len(_loaded) > MOST_LOADED:
                _loaded.popitem(last=False)
        return found


def forget(key: str) -> None:
    """It is neither in this process's memory nor on disk."""
    with _holding:
        _loaded.pop((templates_folder(), key), None)
    _remove(templates_folder() / key)


def templates() -> tuple[GuestTemplate, ...]:
    """Those on disk, the most recently used first."""
    found = [one for folder in templates_folder().glob("[0-9a-f]*") if (one := _record(folder))]
    return tuple(sorted(found, key=lambda one: one.used, reverse=True))


def templates_folder() -> Path:
    """Where they are kept; only this user may enter it."""
    folder = guests_folder() / "templates"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def remove_templates() -> int:
    """None is left on disk; how many there were. Guests that run are not touched."""
    found = templates()
    for one in found:
        forget(one.key)
    for left in templates_folder().glob(".*-*"):
        shutil.rmtree(left, ignore_errors=True)
    return len(found)


def _held(place: tuple[Path, str]) -> Template | None:
    with _holding:
        if place in _loaded:
            _loaded.move_to_end(place)
        return _loaded.get(place)


def _kept(key: str) -> Template | None:
    """From disk; what is damaged goes."""
    folder = templates_folder() / key
    try:
        found = loaded(folder)
        with contextlib.suppress(OSError):  # where it may only be read
            os.utime(folder / ABOUT)
        return found
    except (Damaged, OSError):
        _remove(folder)
        return None


def _made(key: str, what: str, make: Callable[[], Template], say: Say, lasting: bool) -> Template:
    fresh = make()
    try:
        _keep(key, what, fresh, lasting)
    except OSError as error:
        say(f"the template is not kept for the next time: {error.strerror} in {templates_folder()}")
    return fresh


def _keep(key: str, what: str, fresh: Template, lasting: bool) -> None:
    """Whole or not at all. Raises OSError."""
    _remove(templates_folder() / key)
    folder = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=templates_folder()))
    try:
        fresh.save(folder, what)
        if lasting:
            (folder / LASTING).touch()
        folder.rename(templates_folder() / key)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _trim(key)


def _trim(fresh: str) -> None:
    """Guests do not need the files of what they run from: it is in their process's memory."""
    left_bytes = MOST_BYTES
    passing = [one for one in templates() if not (templates_folder() / one.key / LASTING).exists()]
    for number, one in enumerate(passing):
        left_bytes -= one.size_bytes
        if one.key != fresh and (number >= MOST or left_bytes < 0):
            _remove(templates_folder() / one.key)


def _remove(folder: Path) -> None:
    """At once for whoever looks."""
    if not folder.exists():
        return
    with contextlib.suppress(OSError):  # somebody else removes it, or nobody may
        doomed = tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent)
        try:
            folder.rename(doomed)
        finally:
            shutil.rmtree(doomed, ignore_errors=True)


def _record(folder: Path) -> GuestTemplate | None:
    try:
        what = json.loads((folder / ABOUT).read_text())["what"]
        size_bytes = sum(path.stat().st_blocks * 512 for path in folder.iterdir())
        used = datetime.fromtimestamp((folder / ABOUT).stat().st_mtime, UTC).isoformat(timespec="seconds")
        return GuestTemplate(folder.name, str(what), size_bytes, used)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _build(program: Path) -> list[object]:
    """Which QEMU: another version is another file."""
    return [str(program.resolve()), *_times(program)]


def _times(path: Path) -> tuple[int, int]:
    seen = path.stat()
    return seen.st_size, seen.st_mtime_ns


@lru_cache
def _sum(path: Path, size_bytes: int, changed_ns: int) -> str:
    """Once in a process, as long as the file looks the same."""
    return sha256(path)


@lru_cache
def _processor() -> str:
    """What KVM hands on to a guest (proc_cpuinfo(5))."""
    lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    return "\n".join(
        line for line in lines if line.startswith(("vendor_id", "model", "stepping", "microcode", "flags"))
    )
