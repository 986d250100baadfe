"""Who the users of a new user namespace are outside: user_namespaces(7), "User and group ID mappings"."""

from __future__ import annotations

import os
from pathlib import Path

from sandboxes.bare.wanted import USERS
from sandboxes.errors import Unavailable


def map_users(pid: int, first_uid: int, privileged: bool) -> None:
    """Write the maps of the user namespace that this process has just made; the kernel takes each only once.

    Root maps USERS of them from `first_uid` on. Anybody else may map one, themselves, as 0, and must first give up
    changing groups. Raises Unavailable.
    """
    folder = Path(f"/proc/{pid}")
    try:
        if not privileged:
            (folder / "setgroups").write_text("deny")
        for name, own in (("uid_map", os.geteuid()), ("gid_map", os.getegid())):
            (folder / name).write_text(f"0 {first_uid} {USERS}" if privileged else f"0 {own} 1")
    except OSError as error:
        raise Unavailable(
            "The users of the new user namespace could not be mapped.",
            seen=str(error),
            remedy="./textbook doctor; some machines forbid user namespaces (user_namespaces(7))",
        ) from error
