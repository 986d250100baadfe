"""HostConfig of two containers, made comparable: what the engine fills in by itself is left out."""

from typing import Any

FILLED_IN = {"ContainerIDFile", "ConsoleSize", "CpuPeriod", "CpuQuota", "NanoCpus", "PortBindings", "Binds"}
"""Binds: a table of hosts, which Docker mounts too and does not name."""


def ignoring(host_config: dict[str, Any]) -> dict[str, Any]:
    """Set fields only, with the CPU limit in cores, however it was asked for."""
    found = {key: value for key, value in host_config.items() if value and key not in FILLED_IN}
    quota, period = host_config.get("CpuQuota") or 0, host_config.get("CpuPeriod") or 100_000
    found["cpus"] = (host_config.get("NanoCpus") or 0) / 1e9 or quota / period
    found["LogConfig"] = host_config["LogConfig"]["Type"]
    found["Ulimits"] = sorted(
        (limit["Name"], limit["Soft"], limit["Hard"]) for limit in host_config.get("Ulimits") or []
    )
    return found
