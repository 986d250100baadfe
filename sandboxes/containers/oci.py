"""Limits in the words of the OCI runtime specification, which Podman's own API takes for a running container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = {
    "Memory": ("memory", "limit"),
    "MemorySwap": ("memory", "swap"),
    "CpuPeriod": ("cpu", "period"),
    "CpuQuota": ("cpu", "quota"),
    "CpuShares": ("cpu", "shares"),
    "PidsLimit": ("pids", "limit"),
}


def resources(host_config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`linux.resources` of config.json (config-linux.md) from the fields of the Engine API's HostConfig."""
    found: dict[str, dict[str, Any]] = {}
    for name, value in host_config.items():
        controller, key = _NAMES[name]
        found.setdefault(controller, {})[key] = value
    return found
