"""An image as an engine saves it: one tar with its configuration and its layers.

Two forms are read. Docker up to 24 writes manifest.json and a layer.tar for each layer (Docker image specification
v1.2); Docker 25 and newer, Podman and skopeo can write an OCI image layout into the tar (image-spec, image-layout.md).
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import posixpath
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, Any, cast

import docker

from sandboxes.errors import BadRequest, Unavailable

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class SavedImage:
    """An image on disk. `config` is its configuration as it is stored, `id` the sha256 of that, `layers` how many.

    Raises BadRequest for a file that is no saved image.
    """

    def __init__(self, file: IO[bytes]) -> None:
        try:
            self._tar = tarfile.TarFile(fileobj=file, mode="r")
            self._members = {posixpath.normpath(member.name): member for member in self._tar.getmembers()}
            config, self._layers = self._described()
            self.config = self._read(config)
            self.configuration: dict[str, Any] = json.loads(self.config)
        except (tarfile.TarError, KeyError, IndexError, TypeError, ValueError, EOFError) as error:
            raise BadRequest(
                "image",
                "is no saved image.",
                seen=f"{type(error).__name__}: {error}",
                remedy="save it again: docker save, or save()",
            ) from error
        self.id = f"sha256:{hashlib.sha256(self.config).hexdigest()}"

    @property
    def layers(self) -> int:
        return len(self._layers)

    @contextlib.contextmanager
    def layer(self, number: int) -> Iterator[IO[bytes]]:
        """The tar of a layer, uncompressed, from its beginning; 0 is the lowest. Raises Unavailable for zstd."""
        with self._open(self._layers[number]) as stored:
            magic = stored.read(4)
            stored.seek(0)
            if magic == _ZSTD:
                raise Unavailable(
                    "A layer of this image is packed with zstd, which is not read here.",
                    seen=self._layers[number],
                    remedy="build or pull the image without zstd compression",
                )
            if magic.startswith(_GZIP):
                with gzip.GzipFile(fileobj=stored) as unpacked:
                    yield cast(IO[bytes], unpacked)
            else:
                yield stored

    def _described(self) -> tuple[str, list[str]]:
        """Names of the configuration and of the layers, lowest first."""
        if "manifest.json" in self._members:
            image = json.loads(self._read("manifest.json"))[0]
            return image["Config"], list(image["Layers"])
        manifest = json.loads(self._read("index.json"))
        while "manifests" in manifest:  # an index may name another one, for several processors
            manifest = json.loads(self._read(blob_path(manifest["manifests"][0]["digest"])))
        return blob_path(manifest["config"]["digest"]), [blob_path(layer["digest"]) for layer in manifest["layers"]]

    def _open(self, name: str) -> IO[bytes]:
        opened = self._tar.extractfile(self._members[posixpath.normpath(name)])
        if opened is None:
            raise KeyError(name)
        return opened

    def _read(self, name: str) -> bytes:
        with self._open(name) as opened:
            return opened.read()


@contextlib.contextmanager
def saved(api: docker.APIClient, name: str) -> Iterator[SavedImage]:
    """The image, fetched from the engine into a file without a name, which goes when the block ends."""
    with tempfile.TemporaryFile() as file:
        for chunk in api.get_image(name):
            file.write(chunk)
        file.seek(0)
        yield SavedImage(file)


def pack(target: IO[bytes], config: bytes, layers: Sequence[IO[bytes]], name: str) -> None:
    """Write an image as `docker load` takes it; a layer may be compressed. It will be called `name` there."""
    members: list[tuple[str, IO[bytes]]] = [("config.json", io.BytesIO(config))]
    members += [(f"{number}.tar", layer) for number, layer in enumerate(layers)]
    described = {"Config": "config.json", "RepoTags": [name], "Layers": [member for member, _ in members[1:]]}
    members.append(("manifest.json", io.BytesIO(json.dumps([described]).encode())))
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, content in members:
            entry = tarfile.TarInfo(member)
            entry.size = content.seek(0, io.SEEK_END)
            content.seek(0)
            tar.addfile(entry, content)


def blob_path(digest: str) -> str:
    """Where an image layout keeps a blob: image-spec, image-layout.md, "Blobs"."""
    algorithm, _, encoded = digest.partition(":")
    if algorithm != "sha256" or len(encoded) != 64 or not set(encoded) <= set("0123456789abcdef"):
        raise ValueError(f"{digest[:80]} is no sha256 digest")
    return f"blobs/sha256/{encoded}"
