"""An image as a folder that any tool reads: the OCI image layout, written and read here.

The configuration and the layers are kept byte for byte, so that an image has the same id after it was saved and loaded;
skopeo writes an OCI configuration of its own, and the image would come back under another id.
Source: image-spec, image-layout.md, manifest.md, descriptor.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import IO, Any

import docker

from sandboxes.containers.images.archive import SavedImage, blob_path, pack
from sandboxes.containers.images.stream import events
from sandboxes.errors import BadRequest, StartFailed
from sandboxes.lifecycle.cache import sha256
from sandboxes.model import Blob, ImageLayout

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
NAME = "org.opencontainers.image.ref.name"
LOAD_S = 120.0


def save(image: SavedImage, folder: Path, name: str) -> ImageLayout:
    """`folder` is an image layout with this one image. Raises BadRequest unless it is new or empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise _refused("is not an empty folder.", str(folder), "a folder that does not exist yet")
    made = not folder.exists()
    try:
        (folder / "blobs/sha256").mkdir(parents=True)
        config = _put(folder, image.config, CONFIG)
        layers = [_put_layer(folder, image, number) for number in range(image.layers)]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
        described = _put(folder, json.dumps(manifest, indent=1).encode(), MANIFEST)
        index = {"schemaVersion": 2, "manifests": [{**described, "annotations": {NAME: name}}]}
        (folder / "index.json").write_text(json.dumps(index, indent=1))
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    except BaseException:
        if made:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return read(folder)


def read(folder: Path) -> ImageLayout:
    """The layout's documents as data; every blob's content has been compared with its digest. Raises BadRequest."""
    try:
        json.loads((folder / "oci-layout").read_text())["imageLayoutVersion"]
        index = json.loads((folder / "index.json").read_text())
        first = index["manifests"][0]
        manifest = json.loads((folder / blob_path(first["digest"])).read_bytes())
        blobs = tuple(_blob(described) for described in (first, manifest["config"], *manifest["layers"]))
        for blob in blobs:
            if f"sha256:{sha256(folder / blob_path(blob.digest))}" != blob.digest:
                raise ValueError(f"the content of {blob.digest[:19]}… is another one")
        config = json.loads((folder / blob_path(manifest["config"]["digest"])).read_bytes())
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _refused(
            "is no image layout that can be used.",
            f"{type(error).__name__}: {error}",
            "save the image again, or: skopeo copy … oci:FOLDER",
        ) from error
    return ImageLayout(str(folder), index, manifest, config, blobs)


def load(api: docker.APIClient, layout: ImageLayout, name: str) -> None:
    """The engine has the image under `name`. Raises StartFailed when it does not take it."""
    folder = Path(layout.folder)
    config, *layers = layout.blobs[1:]
    with contextlib.ExitStack() as stack:
        target: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
        opened = [stack.enter_context((folder / blob_path(layer.digest)).open("rb")) for layer in layers]
        pack(target, (folder / blob_path(config.digest)).read_bytes(), opened, name)
        target.seek(0)
        for event in events(api, "/images/load", target, {"quiet": 1}, timeout_s=LOAD_S):
            if "error" in event:
                raise StartFailed(
                    "The engine did not take the image.",
                    seen=str(event["error"]),
                    remedy="save it again; a layer must be a tar, or one packed with gzip",
                )


def _put(folder: Path, data: bytes, media_type: str) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    (folder / blob_path(digest)).write_bytes(data)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def _put_layer(folder: Path, image: SavedImage, number: int) -> dict[str, Any]:
    fresh = folder / "blobs/sha256/.layer"
    with image.layer(number) as tar, fresh.open("wb") as file:
        shutil.copyfileobj(tar, file, 1 << 20)
    digest = f"sha256:{sha256(fresh)}"
    size = fresh.stat().st_size
    fresh.rename(folder / blob_path(digest))
    return {"mediaType": LAYER, "digest": digest, "size": size}


def _blob(described: dict[str, Any]) -> Blob:
    return Blob(str(described["digest"]), str(described.get("mediaType", "")), int(described["size"]))


def _refused(what: str, seen: str, remedy: str) -> BadRequest:
    return BadRequest("folder", what, seen=seen, remedy=remedy)
