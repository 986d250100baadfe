"""Networks between containers, and what was answered over one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """A bridge network as its engine reports it. `members` maps a container's name to its IPv4 address in it;
    where several have one name, "web", each is told with its suffix in the engine: "web-1a2b3c".

    Source: Docker Engine API, "Inspect a network".
    """

    id: str
    name: str
    internal: bool
    subnet: str
    gateway: str
    members: Mapping[str, str]


@dataclass(frozen=True)
class HttpAnswer:
    """An answer to one HTTP request; `wall_ms` is from connecting to the last byte. Source: RFC 9110."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: str
    address: str
    wall_ms: float
