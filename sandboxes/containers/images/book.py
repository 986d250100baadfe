"""The book's own images by name, and how one gets into an engine."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import docker

from sandboxes.busybox import LABEL, Image, busybox_image
from sandboxes.containers.images.archive import pack
from sandboxes.containers.images.debian import debian_image
from sandboxes.containers.images.foreign import foreign_image
from sandboxes.containers.images.stream import events
from sandboxes.errors import StartFailed

TAKE_S = 120.0

USUAL = "busybox"
NAMES = (USUAL, "debian", "foreign")
"""What `sb.container(image=…)` and FROM take as the book's; `debian:12` is the reader's own image of that name."""


def book_image(name: str) -> Image:
    """One of NAMES, made or fetched where it is not in the cache; a line on stderr says so. Raises Unavailable."""
    if name == "debian":
        return debian_image(_say)
    return foreign_image(_say) if name == "foreign" else busybox_image()


def bring(api: docker.APIClient, image: Image) -> str:
    """Afterwards the engine has the image; it is not sent again when it is there already. Its name there.

    Raises StartFailed when the engine does not take it. Source: Docker Engine API, "Create an image".
    """
    try:
        api.inspect_image(image.tag)  # type: ignore[no-untyped-call]
    except docker.errors.ImageNotFound:
        with image.tar.open("rb") if isinstance(image.tar, Path) else io.BytesIO(image.tar) as tar:
            told = _loaded(api, image, tar) if image.architecture else _imported(api, image, tar)
            for event in told:
                if "error" in event:
                    raise StartFailed(
                        f"The engine could not take the image {image.tag}.",
                        seen=str(event["error"]),
                        remedy="remove images that are not needed, or restart the kernel: a new engine starts empty",
                    ) from None
    return image.tag


def configuration(image: Image, diff_id: str) -> bytes:
    """The configuration of an image with one layer: image-spec, config.md."""
    settings = {"Env": [f"PATH={image.path}"], "Cmd": [image.command], "Labels": {LABEL: "1"}}
    described = {
        "architecture": image.architecture,
        "os": "linux",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created_by": "the book's own image"}],
    }
    return json.dumps(described).encode()


def _imported(api: docker.APIClient, image: Image, tar: IO[bytes]) -> Iterator[dict[str, Any]]:
    changes = [f"ENV PATH={image.path}", f'CMD ["{image.command}"]', f"LABEL {LABEL}=1"]
    asked = {"fromSrc": "-", "repo": image.tag, "changes": changes}  # Podman 4.3 takes no tag apart from it
    return events(api, "/images/create", tar, asked, timeout_s=TAKE_S)


def _loaded(api: docker.APIClient, image: Image, tar: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Only a saved image can say that it is for another processor: an import is for the engine's own."""
    diff_id = f"sha256:{hashlib.sha256(tar.read()).hexdigest()}"
    with tempfile.TemporaryFile() as target:
        pack(target, configuration(image, diff_id), [tar], image.tag)
        target.seek(0)
        yield from events(api, "/images/load", target, {"quiet": 1}, timeout_s=TAKE_S)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
