"""Guests of another kind of processor: QEMU, kernel and busybox for it, fetched when first asked for.

Nothing is installed: what a guest needs is unpacked into the cache.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from sandboxes.apt import Archives, archives_for
from sandboxes.errors import GuestUnavailable, Unavailable
from sandboxes.guests.architectures import Architecture
from sandboxes.guests.cache import locked
from sandboxes.guests.kernels import BUSYBOX, GuestKernel, found_kernel, keep, loadable, vmlinuz
from sandboxes.guests.parts import Say, content, part, unpacked

_BUSYBOX_PACKAGE = "busybox-static"


def prepare_foreign(kind: Architecture, say: Say) -> GuestKernel:
    """QEMU for this kind of processor is installed or in the cache; its kernel and busybox are in the cache, intact.

    `say` hears what is fetched, and how large it is. Raises Unavailable when apt cannot offer a part, GuestUnavailable.
    """
    if not shutil.which(kind.program):
        part(kind.package, f"usr/bin/{kind.program}", say)
    note = f"kernel-{kind.name}.json"
    with locked(f"kernel-{kind.name}"):
        kernel = found_kernel(note)
        return kernel if kernel and kernel.intact() else _fetched(kind, note, say)


def _fetched(kind: Architecture, note: str, say: Say) -> GuestKernel:
    with tempfile.TemporaryDirectory(prefix="boundaries-foreign-") as temporary:
        say(f"asking apt what there is for {kind.name}")
        archives = _archives(kind, Path(temporary))
        package = _newest(archives, kind)
        tree = unpacked(archives, [package, _BUSYBOX_PACKAGE], say)
        image = vmlinuz(tree, package)
        say(f"keeping {package} and its busybox in the cache")
        files = {"bzimage": image.read_bytes(), BUSYBOX: content(tree, "bin/busybox", _BUSYBOX_PACKAGE)}
        return keep(package, archives.about(package)["Version"], image, files, loadable(tree, kind.modules), note)


def _archives(kind: Architecture, folder: Path) -> Archives:
    try:
        return archives_for(kind.debian, folder)
    except Unavailable as error:
        raise GuestUnavailable(
            f"apt has nothing for {kind.name} here.",
            seen=error.seen,
            remedy="check the network; Debian 12 and newer have what is needed, and others may not",
        ) from error


def _newest(archives: Archives, kind: Architecture) -> str:
    """The package with the kernel itself, which the one that always names the newest depends on."""
    offered = archives.offered(kind.kernels)
    if not offered:
        raise GuestUnavailable(
            f"apt knows of no kernel for {kind.name}.",
            seen=f"none of {', '.join(kind.kernels)} in its lists",
            remedy="use Debian 12 or newer, which has them",
        )
    return archives.about(offered[0])["Depends"].split()[0]
