"""What a guest that runs containers has in its first file system, beside what every guest has."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sandboxes.busybox import busybox_image
from sandboxes.guests.boxes.runtime import runtime_archive
from sandboxes.guests.cpio import archive, file, folder

LAYERS = "/layers"
"""There each layer lies as a tar and unpacked, named by the sha256 of the tar: its digest in any image."""

_INSIDE = Path(__file__).parents[1] / "inside/containers"


def container_archive() -> bytes:
    """To be unpacked after the guest's own archive. Raises GuestUnavailable, and EngineUnavailable without busybox."""
    layer = busybox_image().read()
    entries = [
        folder("etc/rc.d"),
        file("init", (_INSIDE / "init").read_bytes(), 0o755),
        file("etc/rc.d/containers", (_INSIDE / "rc").read_bytes(), 0o755),
        folder(LAYERS),
        file(f"{LAYERS}/{hashlib.sha256(layer).hexdigest()}.tar", layer),
    ]
    return runtime_archive() + archive(entries)
