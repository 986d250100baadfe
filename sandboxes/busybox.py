"""The book's usual image: one static busybox, built here from this machine's own package, named by its content."""

from __future__ import annotations

import functools
import hashlib
import io
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandboxes.errors import EngineUnavailable
from sandboxes.programs import is_static
from sandboxes.syscall import syscall_program

REPOSITORY = "boundaries/busybox"
LABEL = "boundaries.image"
PATH = "/bin:/sbin:/usr/bin:/usr/sbin"
READER = 1000
"""The uid of the user `reader` in the image, who runs the commands of a hardened container."""

_FOLDERS = {"tmp": 0o1777, "proc": 0o555, "sys": 0o555, "dev": 0o755, "run": 0o755, "etc": 0o755, "root": 0o700}
_FILES = {
    "etc/passwd": f"root:x:0:0:root:/root:/bin/sh\nreader:x:{READER}:{READER}:reader:/home/reader:/bin/sh\n",
    "etc/group": f"root:x:0:\nreader:x:{READER}:\n",
    "etc/os-release": 'PRETTY_NAME="Boundaries busybox"\nID=boundaries\n',
}
_INSTALL = "apt-get install busybox-static   (./textbook serve does it)"


@dataclass(frozen=True)
class Image:
    """A root file system as an uncompressed tar; equal content has an equal tag on every machine.

    `path` and `command` are what its containers start with. `architecture` is what its programs run on, in the words of
    image configurations ("arm64"); None: this machine's.
    """

    tag: str
    tar: bytes | Path
    path: str = PATH
    command: str = "sh"
    architecture: str | None = None

    def read(self) -> bytes:
        """The whole tar."""
        return self.tar.read_bytes() if isinstance(self.tar, Path) else self.tar


def busybox_image() -> Image:
    """The image with this machine's busybox. Raises EngineUnavailable when there is none, or it is no static one."""
    path = shutil.which("busybox", path="/bin:/usr/bin:/usr/local/bin")
    if path is None:
        raise EngineUnavailable(
            "The image cannot be made: busybox is missing.", seen="no busybox in /bin, /usr/bin", remedy=_INSTALL
        )
    return _image(path, Path(path).stat().st_mtime_ns)


@functools.cache
def _image(path: str, _mtime_ns: int) -> Image:
    program = Path(path).read_bytes()
    if not is_static(program):
        raise EngineUnavailable(
            "The image cannot be made: busybox needs libraries that a bare image lacks.",
            seen=f"{path} is not a statically linked ELF program",
            remedy=_INSTALL,
        )
    tar = build(program, applets(path), {"bin/syscall": syscall_program()})
    return Image(f"{REPOSITORY}:{hashlib.sha256(tar).hexdigest()[:16]}", tar)


def applets(path: str) -> list[str]:
    """The names under which this busybox is a program of its own."""
    return subprocess.run([path, "--list"], capture_output=True, text=True, timeout=10, check=True).stdout.split()


def build(program: bytes, applets: list[str], beside: Mapping[str, bytes] | None = None) -> bytes:
    """A tar of the root file system, the same bytes for the same busybox: sorted, no times, numeric owners only.

    `beside` are other programs for the same processor, by their paths.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, mode in sorted({**_FOLDERS, "bin": 0o755, "home": 0o755}.items()):
            tar.addfile(_entry(name, tarfile.DIRTYPE, mode))
        tar.addfile(_entry("home/reader", tarfile.DIRTYPE, 0o755, READER))
        programs = {"bin/busybox": program, **(beside or {})}
        for name, content in sorted({**{k: v.encode() for k, v in _FILES.items()}, **programs}.items()):
            entry = _entry(name, tarfile.REGTYPE, 0o755 if name.startswith("bin/") else 0o644)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for applet in sorted(set(applets) - {"busybox"}):
            link = _entry(f"bin/{applet}", tarfile.SYMTYPE, 0o777)
            link.linkname = "busybox"
            tar.addfile(link)
    return buffer.getvalue()


def _entry(name: str, kind: bytes, mode: int, owner: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.uid, entry.gid = kind, mode, owner, owner
    return entry
