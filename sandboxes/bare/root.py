"""The root file system of a container made by hand: the image's files, laid out once an owner, never written to."""

from __future__ import annotations

import io
import os
import secrets
import shutil
import tarfile
import threading
from pathlib import Path

from sandboxes.busybox import busybox_image
from sandboxes.lifecycle import owner

_unpacking = threading.Lock()


def layers(first_uid: int) -> tuple[Path, str]:
    """A folder, and the name of the image's files in it; beside them is an empty folder `top` to mount things on.

    User 0 of the image is `first_uid` on this machine: not 0 when the container has a user namespace.
    Raises EngineUnavailable when the image cannot be made.
    """
    folder, name = owner().folder / "bare", f"lower-{first_uid}"
    with _unpacking:
        if not (folder / name).is_dir():
            (folder / "top").mkdir(parents=True, exist_ok=True)
            folder.chmod(0o755)  # user 0 of a user namespace is a stranger here, whatever our umask is
            unfinished = folder / secrets.token_hex(4)
            try:
                unpack(busybox_image().read(), unfinished, first_uid)
                unfinished.rename(folder / name)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return folder, name


def unpack(tar: bytes, folder: Path, first_uid: int = 0) -> None:
    """The folders, files and links of a tar that this book made. Owners are kept when this is root."""
    folder.mkdir(mode=0o755)
    with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as archive:
        entries = archive.getmembers()
    for entry in entries:
        path = folder / entry.name
        if entry.issym():
            path.symlink_to(entry.linkname)
            continue
        if entry.isdir():
            path.mkdir()
        else:
            path.write_bytes(tar[entry.offset_data : entry.offset_data + entry.size])
        if os.geteuid() == 0:
            os.chown(path, first_uid + entry.uid, first_uid + entry.gid)
        path.chmod(entry.mode)
    if os.geteuid() == 0:
        os.chown(folder, first_uid, first_uid)
    folder.chmod(0o755)
