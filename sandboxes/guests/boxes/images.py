"""Images of containers in a guest: layers that lie there, each named by its digest, as they are in any engine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandboxes.busybox import busybox_image
from sandboxes.errors import BadRequest
from sandboxes.guests.boxes.parts import LAYERS
from sandboxes.model import ImageLayout

USUAL = "busybox"
_PLAIN = ("application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar")

RECEIVE = f"""
set -e
cd {LAYERS}
[ ! -d "$1" ] || exit 0
fresh="$1.$$"
trap 'rm -rf "$fresh" "$fresh.tar"' EXIT
cat >"$fresh.tar"
found=$(sha256sum <"$fresh.tar")
[ "${{found%% *}}" = "$1" ] || {{ echo "what arrived is $found" >&2; exit 1; }}
mkdir "$fresh"
tar -x -f "$fresh.tar" -C "$fresh"
find "$fresh" -name '.wh.*' | while read -r gone; do
    rm "$gone"
    [ "${{gone##*/}}" = .wh..wh..opq ] && setfattr -n trusted.overlay.opaque -v y "${{gone%/*}}" && continue
    mknod "${{gone%/*}}/${{gone##*/.wh.}}" c 0 0
done
mv "$fresh.tar" "$1.tar"
mv "$fresh" "$1"
"""
"""Shell text for a digest, with the tar as its input. What a layer takes away is a file of the name `.wh.NAME` in a
layer (image-spec, layer.md) and a device 0/0 in a folder of overlayfs (filesystems/overlayfs.rst, "whiteouts")."""

DIGESTS = f"""
cd {LAYERS}
for layer in "$@"; do sha256sum <"$layer.tar"; done | cut -d' ' -f1
"""
"""Shell text for layers: what their sha256 is now."""


@dataclass(frozen=True)
class Image:
    """`layers` are the sha256 of their tars, the lowest first; `folder` is a layout that has them, None: the guest has.

    `id` is the digest of its configuration, by which an engine names it; the book's own image, which is one layer, has
    none until an engine has made one.
    """

    name: str
    layers: tuple[str, ...]
    env: tuple[str, ...]
    folder: Path | None = None
    id: str | None = None

    def tar(self, layer: str) -> bytes:
        """The content of a layer that the guest does not have."""
        return (self.folder / "blobs/sha256" / layer).read_bytes() if self.folder else b""


def image_of(asked: str | ImageLayout | None) -> Image:
    """The book's busybox, or a layout as an engine's image saves it. Raises BadRequest, EngineUnavailable."""
    if asked is None or asked == USUAL:
        usual = busybox_image()
        return Image(usual.tag, (hashlib.sha256(usual.read()).hexdigest(),), (f"PATH={usual.path}",))
    if not isinstance(asked, ImageLayout):
        raise BadRequest(
            "image",
            "is none that a guest can get.",
            seen=repr(asked)[:80],
            remedy='"busybox", or what sb.image(…).save(folder) returned',
        )
    return _saved(asked)


def _saved(layout: ImageLayout) -> Image:
    _, config, *layers = layout.blobs
    packed = [layer.media_type for layer in layers if layer.media_type not in _PLAIN]
    if packed:
        raise BadRequest(
            "image", "has packed layers.", seen=packed[0], remedy="load it into an engine, and save() it from there"
        )
    settings: dict[str, Any] = dict(layout.config).get("config") or {}  # type: ignore[assignment]
    return Image(
        name=f"{Path(layout.folder).name}@{config.digest[:19]}",
        layers=tuple(layer.digest.removeprefix("sha256:") for layer in layers),
        env=tuple(settings.get("Env") or ()),
        folder=Path(layout.folder),
        id=config.digest,
    )
