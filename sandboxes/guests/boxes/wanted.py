"""What a reader may ask of a container in a guest; checked in full before anything is asked of the guest."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sandboxes import files, request
from sandboxes.errors import BadRequest
from sandboxes.guests.boxes.images import Image, image_of
from sandboxes.limits import Default, Room
from sandboxes.model import ImageLayout, Limits
from sandboxes.profile import PROFILES, Profile
from sandboxes.setting import environment

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Wanted:
    """A container as asked for. `files` is a tar, empty for none."""

    name: str
    image: Image
    limits: Limits
    profile: Profile
    files: bytes
    env: Mapping[str, str]


def wanted(
    room: Room,
    image: str | ImageLayout | None,
    memory: str | int | Default | None,
    cpus: float | Default | None,
    pids: int | Default | None,
    cpu_shares: int | None,
    profile: str,
    contents: Mapping[str, files.Content] | None,
    env: Mapping[str, str] | None,
    name: str | None,
) -> Wanted:
    """`room` is what the guest has. Raises BadRequest, naming the argument."""
    limits, _ = room.default_or_asked(memory, cpus, pids, None, cpu_shares)
    chosen = PROFILES[request.one_of("profile", profile, PROFILES)]
    return Wanted(
        name=_name(name),
        image=image_of(image),
        limits=limits,
        profile=chosen,
        files=files.packed(contents, chosen.writable, chosen.name),
        env=environment(env),
    )


def _name(name: str | None) -> str:
    if name is None:
        return f"box-{next(_numbers)}"
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise BadRequest(
        "name", "is not a name that works here.", seen=ascii(name)[:60], remedy="up to 32 of a-z, 0-9 and -"
    )
