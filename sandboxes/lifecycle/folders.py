"""Where things are kept: short-lived state in the runtime folder, what can be made again in the cache folder."""

import os
import stat
from pathlib import Path

from sandboxes.errors import Unavailable

RUNTIME = "BOUNDARIES_RUNTIME"
"""Environment variable: a place like /tmp for the runtime folders. Books with different ones never meet."""


def runtime_folder() -> Path:
    """A folder that only this user can enter; its path is short, as unix(7) allows a socket 107 bytes."""
    uid = os.getuid()
    chosen, session = os.environ.get(RUNTIME), os.environ.get("XDG_RUNTIME_DIR")
    if chosen:
        folder = Path(chosen) / f"boundaries-{uid}"
    elif uid == 0:
        folder = Path("/run/boundaries")
    elif session and os.access(session, os.W_OK):
        folder = Path(session) / "boundaries"
    else:
        folder = Path(f"/tmp/boundaries-{uid}")  # noqa: S108 - checked below: ours, and closed to others
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    seen = folder.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != uid or seen.st_mode & 0o077:
        raise Unavailable(
            f"The runtime folder {folder} is not safe to use.",
            seen=f"owner {seen.st_uid}, mode {stat.filemode(seen.st_mode)}",
            remedy=f"remove {folder}; it is made again as yours alone",
        )
    return folder


def cache_folder() -> Path:
    """What was downloaded or built once and is kept by content: $XDG_CACHE_HOME/boundaries or ~/.cache/boundaries."""
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "boundaries"
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    return folder
