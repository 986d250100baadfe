"""Images: what is in their layers, how they were built, and what travelled to a registry or from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class LayerEntry:
    """One path in a layer. `kind` is "file", "folder", "symbolic link", "hard link", "device" or "pipe".

    `change` says what the layer does to the path: "added", "changed", or "deleted" (by a whiteout, whose `kind` is
    that of what is hidden). `machine` is what an ELF program runs on ("x86_64", "aarch64"), "" for anything else.
    """

    path: str
    kind: str
    change: str
    size_bytes: int
    mode: int
    target: str = ""
    machine: str = ""


@dataclass(frozen=True)
class Layer:
    """One layer: a tar archive of what an instruction changed in the file system.

    `diff_id` is the sha256 of the uncompressed archive, `tar_bytes` its length; `size_bytes` is what its files hold.
    """

    diff_id: str
    created_by: str
    tar_bytes: int
    size_bytes: int
    entries: tuple[LayerEntry, ...]


@dataclass(frozen=True)
class ImageContents:
    """An image as its own files describe it. `id` is the sha256 of its configuration.

    `instructions` are all of its history, also those without a layer. `origins` says for each path of the finished
    file system which layer it comes from (0 is the lowest); `files` holds the entry itself.
    """

    id: str
    architecture: str
    instructions: tuple[str, ...]
    layers: tuple[Layer, ...]
    origins: Mapping[str, int]

    @property
    def files(self) -> dict[str, LayerEntry]:
        """The finished file system: path -> entry."""
        entries = [{entry.path: entry for entry in layer.entries} for layer in self.layers]
        return {path: entries[index][path] for path, index in self.origins.items()}

    @property
    def layers_bytes(self) -> int:
        """What all layers hold together, also files that a later layer hides."""
        return sum(layer.size_bytes for layer in self.layers)

    @property
    def files_bytes(self) -> int:
        """What the finished file system holds."""
        return sum(entry.size_bytes for entry in self.files.values())


@dataclass(frozen=True)
class SystemParts:
    """Paths in an image that would make it an operating system; empty tuples: it has no such thing."""

    kernels: tuple[str, ...]
    modules: tuple[str, ...]
    inits: tuple[str, ...]
    bootloaders: tuple[str, ...]


@dataclass(frozen=True)
class BuildStep:
    """One instruction of a Dockerfile, and what it printed. `cached`: its result was there already."""

    instruction: str
    cached: bool
    output: str


@dataclass(frozen=True)
class Blob:
    """A piece of an image, named by the sha256 of its content."""

    digest: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True)
class Transfer:
    """An image's way to a registry ("push") or from it ("pull"). `digest` is that of its manifest.

    `moved` are the blobs that had to travel, `skipped` those that were at the other end already.
    """

    direction: str
    name: str
    digest: str
    moved: tuple[Blob, ...]
    skipped: tuple[Blob, ...]
    wall_ms: float

    @property
    def moved_bytes(self) -> int:
        return sum(blob.size_bytes for blob in self.moved)


@dataclass(frozen=True)
class ImageLayout:
    """An image as a folder, in the words of the OCI image layout: its three JSON documents and its blobs.

    Source: image-spec, image-layout.md, manifest.md, config.md.
    """

    folder: str
    index: Mapping[str, object]
    manifest: Mapping[str, object]
    config: Mapping[str, object]
    blobs: tuple[Blob, ...]
