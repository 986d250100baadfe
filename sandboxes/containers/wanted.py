"""What a reader may ask of a container; checked in full before an engine is looked for."""

from __future__ import annotations

import dataclasses
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandboxes import files, request
from sandboxes.containers.images.image import EngineImage
from sandboxes.containers.limits import resources, room
from sandboxes.containers.networks import Network
from sandboxes.containers.scratch import PLACE as SCRATCH
from sandboxes.errors import BadRequest
from sandboxes.files import packed
from sandboxes.limits import DEFAULT, Default
from sandboxes.model import Limits
from sandboxes.profile import PROFILES, Profile
from sandboxes.setting import environment

MOST_NETWORKS = 8
MOST_PORTS = 16

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_IMAGE = re.compile(r"[a-z0-9][a-zA-Z0-9._/:@-]{0,254}")


@dataclass(frozen=True)
class Wanted:
    """A container as asked for, checked and in the engine's units.

    `asked` are the limits that the reader named; the others are the book's own. `inner`: it joins the network that
    this process's containers share. `files` is a tar, empty for none. `ports`: port inside -> port of this machine.
    """

    name: str
    image: str | None
    limits: Limits
    asked: frozenset[str]
    profile: Profile
    inner: bool = False
    networks: tuple[Network, ...] = ()
    files: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[int, int | None] = field(default_factory=dict)

    def host_config(self) -> dict[str, Any]:
        """HostConfig of the Engine API."""
        return {**self.profile.host_config, **resources(self.limits)}

    def on(self, enforced: Iterable[str]) -> Wanted:
        """The same for an engine that enforces only these limits: a limit that nobody named is left out there."""
        kept = self.asked | frozenset(enforced)
        return dataclasses.replace(self, limits=self.limits.only(kept))

    def again(self) -> Wanted:
        """The same under another name."""
        return dataclasses.replace(self, name=_own_name())


def wanted(
    *,
    image: str | EngineImage | None = None,
    memory: str | int | Default | None = DEFAULT,
    cpus: float | Default | None = DEFAULT,
    pids: int | Default | None = DEFAULT,
    io: str | int | Mapping[str, str | int] | None = None,
    cpu_shares: int | None = None,
    network: bool | Network | Sequence[Network] = False,
    profile: str = "hardened",
    files: Mapping[str, files.Content] | None = None,
    env: Mapping[str, str] | None = None,
    ports: Mapping[int, int | None] | None = None,
    name: str | None = None,
) -> Wanted:
    """Raises BadRequest, naming the argument; nothing has been started then."""
    limits, asked = room().default_or_asked(memory, cpus, pids, io, cpu_shares)
    chosen = PROFILES[request.one_of("profile", profile, PROFILES)]
    joined = _networks(network)
    named = image.name if isinstance(image, EngineImage) else image
    return Wanted(
        name=_text("name", name, _NAME, "letters, digits, . _ - (at most 40)") or _own_name(),
        image=_text("image", named, _IMAGE, 'a name that `docker images` lists, such as "alpine:3.20"'),
        limits=limits,
        asked=asked,
        profile=chosen,
        inner=network is True,
        networks=joined,
        files=packed(files, _places(chosen, scratch=limits.io), chosen.name),
        env=environment(env),
        ports=_ports(ports, reachable=network is True or bool(joined)),
    )


def _networks(network: bool | Network | Sequence[Network]) -> tuple[Network, ...]:
    if isinstance(network, bool):
        return ()
    found = (network,) if isinstance(network, Network) else network
    if not isinstance(found, list | tuple) or not all(isinstance(one, Network) for one in found):
        raise BadRequest(
            "network", "is no network.", seen=repr(network)[:80], remedy="True, False, what network() gave, or a list"
        )
    if not 1 <= len(found) <= MOST_NETWORKS or len({one.id for one in found}) != len(found):
        raise BadRequest(
            "network", "names too few, too many, or one twice.", seen=repr(found)[:80], remedy="each network once"
        )
    return tuple(found)


def _places(profile: Profile, *, scratch: bool) -> Mapping[str, object]:
    """What can be written; empty: everywhere."""
    return {**profile.writable, SCRATCH: ""} if profile.writable and scratch else profile.writable


def _ports(ports: Mapping[int, int | None] | None, *, reachable: bool) -> dict[int, int | None]:
    if ports is None:
        return {}
    remedy = "{8080: None}: the port inside, and a port of this machine or None for a free one"
    if not isinstance(ports, Mapping) or len(ports) > MOST_PORTS:
        raise BadRequest("ports", "is no table of a few ports.", seen=repr(ports)[:80], remedy=remedy)
    if ports and not reachable:
        raise BadRequest("ports", "need a network.", seen="network=False", remedy="network=True, or one of network()")
    for inside, outside in ports.items():
        request.count("ports", inside, least=1, most=65535)
        if outside is not None:
            request.count("ports", outside, least=1024, most=65535)
    return dict(ports)


def _own_name() -> str:
    return f"box-{secrets.token_hex(3)}"


def _text(field: str, value: str | None, pattern: re.Pattern[str], remedy: str) -> str | None:
    if value is None or (isinstance(value, str) and pattern.fullmatch(value)):
        return value
    shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "…"
    raise BadRequest(field, "is not a name that works here.", seen=shown, remedy=remedy)
