"""What is in an image's layers: each path with what the layer does to it, and what remains when all are applied.

Source: image-spec, layer.md (change types, whiteouts, opaque whiteouts).
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import tarfile
from collections.abc import Collection, Iterator
from typing import IO

from sandboxes.containers.images.archive import SavedImage
from sandboxes.model import ImageContents, Layer, LayerEntry, SystemParts
from sandboxes.programs import machine

WHITEOUT, OPAQUE, RESERVED = ".wh.", ".wh..wh..opq", ".wh..wh."
_KINDS = {
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "symbolic link",
    tarfile.LNKTYPE: "hard link",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.FIFOTYPE: "pipe",
}
_KERNEL = re.compile(r"(boot/)?(vmlinu[xz]|bzImage|zImage|kernel)[^/]*|(usr/)?lib/modules/[^/]+/vmlinuz")
_MODULE = re.compile(r"(usr/)?lib/modules/.+\.ko(\.(gz|xz|zst))?")
_INIT = re.compile(r"init|etc/init|(usr/)?s?bin/(init|openrc-init|runit-init)|(usr/)?lib/systemd/systemd")
_BOOTLOADER = re.compile(r"boot/(grub|efi|extlinux|syslinux)|(usr/)?lib/grub/[^/]+/kernel\.img")


def contents(image: SavedImage) -> ImageContents:
    """All layers as data. A folder repeated only because something in it changed is left out."""
    instructions, makers = _history(image)
    layers: list[Layer] = []
    state: dict[str, LayerEntry] = {}
    origins: dict[str, int] = {}
    for number in range(image.layers):
        with image.layer(number) as tar:
            layer = read_layer(tar, makers[number] if number < len(makers) else "", state)
        for path in _hidden(layer, state):
            del state[path], origins[path]
        present = {entry.path: entry for entry in layer.entries if entry.change != "deleted"}
        state |= present
        origins |= dict.fromkeys(present, number)
        layers.append(layer)
    architecture = str(image.configuration.get("architecture", ""))
    return ImageContents(image.id, architecture, instructions, tuple(layers), dict(sorted(origins.items())))


def read_layer(tar: IO[bytes], created_by: str, lower: dict[str, LayerEntry]) -> Layer:
    """One layer on top of the file system `lower`. Reads the archive once, to its end."""
    counted = _Counted(tar)
    found: dict[str, LayerEntry] = {}
    hidden: list[str] = []
    with tarfile.open(fileobj=counted, mode="r|") as opened:  # type: ignore[call-overload]
        for member in opened:
            path = posixpath.normpath(f"/{member.name}").lstrip("/")
            folder, name = posixpath.split(path)
            if name == OPAQUE:
                hidden += [below for below in lower if folder in ("", *_parents(below))]
            elif name.startswith(RESERVED):
                continue
            elif name.startswith(WHITEOUT):
                hidden.append(posixpath.join(folder, name.removeprefix(WHITEOUT)))
            elif path and not _repeated(member, lower.get(path)):
                found[path] = _entry(opened, member, path, "changed" if path in lower else "added")
    while counted.read(1 << 20):
        pass
    deleted = [_deleted(path, lower.get(path)) for path in hidden if path not in found]
    size = sum(entry.size_bytes for entry in found.values())
    return Layer(f"sha256:{counted.hash.hexdigest()}", created_by, counted.bytes, size, (*found.values(), *deleted))


def system_parts(paths: Collection[str]) -> SystemParts:
    """Kernels, modules, inits and boot loaders among the paths of a file system, told by their usual places.

    An init is what the kernel would start first (init/main.c: /init, /sbin/init, /etc/init, /bin/init) or systemd.
    """

    def named(pattern: re.Pattern[str]) -> tuple[str, ...]:
        return tuple(sorted(path for path in paths if pattern.fullmatch(path)))

    return SystemParts(named(_KERNEL), named(_MODULE), named(_INIT), named(_BOOTLOADER))


def instruction(created_by: str) -> str:
    """The Dockerfile's words again: Docker's builder writes `/bin/sh -c #(nop) COPY …` and `/bin/sh -c command`."""
    if created_by.startswith("/bin/sh -c #(nop)"):
        return created_by.removeprefix("/bin/sh -c #(nop)").strip()
    if created_by.startswith("/bin/sh -c "):
        return f"RUN {created_by.removeprefix('/bin/sh -c ').strip()}"
    return created_by.removesuffix("# buildkit").strip()


class _Counted:
    """A stream that knows the sha256 and the length of what was read from it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.hash, self.bytes = stream, hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.hash.update(data)
        self.bytes += len(data)
        return data


def _history(image: SavedImage) -> tuple[tuple[str, ...], list[str]]:
    """All instructions, and those that made a layer."""
    history = image.configuration.get("history") or []
    words = [instruction(entry.get("created_by") or "") or str(entry.get("comment") or "") for entry in history]
    makers = [word for word, entry in zip(words, history, strict=True) if not entry.get("empty_layer")]
    return tuple(words), makers


def _repeated(member: tarfile.TarInfo, below: LayerEntry | None) -> bool:
    return member.isdir() and below is not None and below.kind == "folder" and below.mode == member.mode & 0o7777


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str, change: str) -> LayerEntry:
    program = ""
    if member.isreg() and (content := tar.extractfile(member)) is not None:
        program = machine(content.read(20))
    kind = _KINDS.get(member.type, "file")
    return LayerEntry(path, kind, change, member.size, member.mode & 0o7777, member.linkname, program)


def _deleted(path: str, below: LayerEntry | None) -> LayerEntry:
    kind, mode = (below.kind, below.mode) if below else ("file", 0)
    return LayerEntry(path, kind, "deleted", 0, mode)


def _hidden(layer: Layer, lower: Collection[str]) -> list[str]:
    """Paths of `lower` that are not seen any more: deleted, or below what is deleted or is no folder any more."""
    deleted = {entry.path for entry in layer.entries if entry.change == "deleted"}
    blocking = deleted | {entry.path for entry in layer.entries if entry.kind != "folder"}
    return [path for path in lower if path in deleted or not blocking.isdisjoint(_parents(path))]


def _parents(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path
