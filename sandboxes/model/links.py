"""Network links and routes of one network namespace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """A network link and what went through it since it exists. Addresses are such as "10.0.2.15/24" or "fe80::1/64"."""

    name: str
    addresses: tuple[str, ...]
    received_bytes: int
    received_packets: int
    sent_bytes: int
    sent_packets: int


@dataclass(frozen=True)
class Route:
    """Where packets for `destination` go; `gateway` None: they are for neighbours on that link.

    `refused`: such packets go nowhere (RTF_REJECT, or a black hole), and there is no link.
    """

    destination: str
    gateway: str | None
    link: str | None
    metric: int
    refused: bool


@dataclass(frozen=True)
class NetworkStack:
    """What a process can reach through. `unplaced` are addresses of a link that no route tells."""

    links: tuple[Link, ...]
    routes: tuple[Route, ...]
    unplaced: tuple[str, ...]
