"""Where a container can be reached, from the engine's record of it (Docker Engine API, "Inspect a container")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHARED = "shared"
"""What the network is called that `network=True` joins."""


def addresses(said: Mapping[str, Any], owner_id: str) -> dict[str, str]:
    """Name of a network -> the container's IPv4 address there."""
    found = said["NetworkSettings"].get("Networks") or {}
    return {_short(name, owner_id): one["IPAddress"] for name, one in found.items() if one.get("IPAddress")}


def bindings(said: Mapping[str, Any]) -> dict[int, int]:
    """Ports that the engine itself publishes: port inside -> port of this machine."""
    ports = said["NetworkSettings"].get("Ports") or {}
    return {int(name.split("/")[0]): int(bound[0]["HostPort"]) for name, bound in ports.items() if bound}


def route(said: Mapping[str, Any]) -> tuple[str, str] | None:
    """Its address in the first of its networks, and that network's gateway; None without a network."""
    for one in (said["NetworkSettings"].get("Networks") or {}).values():
        if one.get("IPAddress"):
            return one["IPAddress"], one.get("Gateway") or ""
    return None


def _short(name: str, owner_id: str) -> str:
    """The name that its reader gave it; ours are boundaries-OWNER-NAME-xxxx, the shared one is boundaries-OWNER."""
    ours = f"boundaries-{owner_id}"
    if name == ours:
        return SHARED
    return name.removeprefix(f"{ours}-").rpartition("-")[0] if name.startswith(f"{ours}-") else name
