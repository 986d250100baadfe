"""A guest that stands still after its boot: its memory and the state of its devices, from which others go on.

Both are sealed memfds (memfd_create(2), fcntl(2) F_SEAL_WRITE): QEMU opens the file of a guest's memory for writing
even when it only maps it privately, and a balloon in one guest would punch holes into the memory of all.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

PIECE_BYTES = 1 << 18
MEMORY, DEVICES, ABOUT = "memory", "devices", "about.json"
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Damaged(Exception):
    """What is kept is not what was saved."""


class Template:
    """`memory` and `devices` are descriptors of sealed files, which are closed with the last reference to it."""

    def __init__(self, memory: int, devices: int) -> None:
        """It takes both descriptors over, and seals the files: nobody may have them mapped for writing any more."""
        self.memory, self.devices = memory, devices
        for handle in (memory, devices):
            weakref.finalize(self, os.close, handle)
            fcntl.fcntl(handle, fcntl.F_ADD_SEALS, _SEALS)

    def devices_from_the_start(self) -> int:
        """Another descriptor of the same file, with a place of its own."""
        return os.open(f"/proc/self/fd/{self.devices}", os.O_RDONLY | os.O_CLOEXEC)

    def save(self, folder: Path, what: str) -> None:
        """Both files are in the folder, on disk as small as the pages that are not empty. Raises OSError."""
        sums = {name: _copied(source, folder / name) for name, source in self._files().items()}
        about = {"what": what, "sha256": sums}
        (folder / ABOUT).write_text(json.dumps(about, indent=1))

    def _files(self) -> dict[str, int]:
        return {MEMORY: self.memory, DEVICES: self.devices}


def blank(size_bytes: int = 0) -> int:
    """A memfd that can be sealed later. The user that QEMU runs as may write into it."""
    handle = os.memfd_create("guest", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.ftruncate(handle, size_bytes)
    return handle


def loaded(folder: Path) -> Template:
    """What is kept there. Raises Damaged, and OSError when there is none."""
    try:
        sums = json.loads((folder / ABOUT).read_text())["sha256"]
        wanted = {name: sums[name] for name in (MEMORY, DEVICES)}
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{ABOUT}: {error}") from error
    with contextlib.ExitStack() as stack:
        handles = [_read(folder / name, known, stack) for name, known in wanted.items()]
        stack.pop_all()
        return Template(*handles)


def _read(path: Path, known: str, stack: contextlib.ExitStack) -> int:
    target = blank()
    stack.callback(os.close, target)
    with path.open("rb", buffering=0) as source:
        if _poured(source.fileno(), target) != known:
            raise Damaged(f"{path.name} has changed")
    return target


def _copied(source: int, path: Path) -> str:
    with path.open("xb", buffering=0) as target:
        found = _poured(source, target.fileno())
        os.fsync(target.fileno())
    return found


def _poured(source: int, target: int) -> str:
    """The target has the content of the source; the sha256 of its length, and of place and content of all but zeros."""
    size_bytes = os.fstat(source).st_size
    os.ftruncate(target, size_bytes)
    digest = hashlib.sha256(size_bytes.to_bytes(8))
    zeros = bytes(PIECE_BYTES)
    for place in _pieces(source, size_bytes):
        data = os.pread(source, PIECE_BYTES, place)
        if data != zeros[: len(data)]:
            digest.update(place.to_bytes(8))
            digest.update(data)
            _write(target, data, place)
    return digest.hexdigest()


def _write(target: int, data: bytes, place: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(target, view, place)
        view, place = view[written:], place + written


def _pieces(source: int, size_bytes: int) -> Iterator[int]:
    """Where there may be something, in steps of PIECE_BYTES: lseek(2), SEEK_DATA and SEEK_HOLE."""
    place = 0
    while place < size_bytes:
        try:
            data = os.lseek(source, place, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            return
        place = data - data % PIECE_BYTES
        end = os.lseek(source, data, os.SEEK_HOLE)
        while place < end:
            yield place
            place += PIECE_BYTES
