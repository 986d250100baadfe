"""An image for another processor: what portability does not cover.

It holds the distribution's static busybox for that processor, fetched with apt and kept in the cache.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

from sandboxes import apt
from sandboxes.busybox import Image, build
from sandboxes.errors import Unavailable
from sandboxes.lifecycle import cache_folder
from sandboxes.lifecycle.cache import kept

REPOSITORY = "boundaries/foreign"
OTHER = {"x86_64": "arm64", "aarch64": "amd64"}
"""This machine's processor -> one whose programs it cannot run."""
APPLETS = ("cat", "echo", "id", "ls", "ps", "sh", "sleep", "true", "uname")

Say = Callable[[str], None]


def foreign_image(say: Say = print) -> Image:
    """The image for the other processor; fetched when it is not in the cache (9 MB of lists, some seconds).

    Raises Unavailable without apt, or when its archives have no packages for that processor.
    """
    architecture = other_architecture(platform.machine())
    path = cache_folder() / "images" / f"foreign-{architecture}-{_recipe()}.tar"

    def make(fresh: Path) -> None:
        say(f"fetching busybox for {architecture}: some seconds, once")
        tree = apt.fetched("busybox-static", architecture, fresh.parent / "apt")
        program = next(tree.glob("**/bin/busybox")).read_bytes()
        fresh.write_bytes(build(program, list(APPLETS)))
        shutil.rmtree(fresh.parent / "apt")

    digest = kept(path, make)
    return Image(f"{REPOSITORY}:{digest[:16]}", path, architecture=architecture)


def _recipe() -> str:
    """Everything in the image but the program itself, hashed."""
    return hashlib.sha256(build(b"", list(APPLETS))).hexdigest()[:16]


def other_architecture(machine: str) -> str:
    """In the words of Debian and of image configurations. Raises Unavailable for a machine that is not known here."""
    if machine not in OTHER:
        raise Unavailable("There is no image for another processor here.", seen=machine, remedy="use amd64 or arm64")
    return OTHER[machine]
