"""A service in the words of the Engine API (1.41, "Create a service").

A task is hardened as a container is, as far as a service can say it: a cgroup namespace of its own and memory without
swap cannot be asked for, and no_new_privs only of an engine with API 1.44 or newer; an older one takes no notice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from sandboxes.containers.service_wanted import Rolling, Version, WantedService
from sandboxes.model import Limits
from sandboxes.profile import HARDENED

VERSION = "boundaries.version"
"""Label on each task's container: which version of the service it runs."""

SECOND = 1_000_000_000
RESTART_DELAY_S = 0.2
STOP_GRACE_S = 1.0
"""From SIGTERM to SIGKILL. The engine counts whole seconds; with less there is no time between the two."""
READY_EVERY_S = 1.0
TMPFS_BYTES = {"/tmp": 16 << 20, "/run": 4 << 20}  # noqa: S108 - inside the container
FIRST = Rolling(parallelism=2, order="stop-first", delay_s=0.5, monitor_s=1.0)


def service_spec(asked: WantedService, label: Mapping[str, str], network: str | None, node: str) -> dict[str, Any]:
    """Version 1 of a service. Tasks stay on this node: another one does not have the image.

    Endpoint mode dnsrr: a virtual IP needs IPVS, which not every kernel has.
    """
    spec = {
        "Name": asked.name,
        "Labels": dict(label),
        "TaskTemplate": {
            "ContainerSpec": _hardened(label),
            "Resources": {"Limits": _limits(asked.limits)},
            "RestartPolicy": {"Condition": "any", "Delay": round(RESTART_DELAY_S * SECOND)},
            "LogDriver": {"Name": "none"},
            "Networks": [{"Target": network}] if network else [],
            "Placement": {"Constraints": [f"node.id=={node}"]},
        },
        "Mode": {"Replicated": {"Replicas": asked.replicas}},
        "EndpointSpec": {"Mode": "dnsrr"},
    }
    change_version(spec, asked.version, 1, FIRST)
    return spec


def change_version(spec: dict[str, Any], version: Version, number: int, rolling: Rolling) -> None:
    """The spec asks for this version, rolled out that way.

    A rollback stops first: started first beside a version that fails, Swarm 20.10 leaves two tasks in a slot.
    """
    container = spec["TaskTemplate"]["ContainerSpec"]
    container["Labels"][VERSION] = str(number)
    if version.image is not None:
        container["Image"] = version.image
    if version.command is not None:
        container["Command"] = list(version.command)
    if version.env is not None:
        container["Env"] = list(version.env)
    if version.ready is not None:
        container["HealthCheck"] = _health_check(version.ready)
    spec["UpdateConfig"] = _config(rolling)
    spec["RollbackConfig"] = _config(dataclasses.replace(rolling, order="stop-first"))


def version_of(spec: Mapping[str, Any]) -> int:
    """The version that a service's or task's spec asks for; 0 when it is none of this book."""
    template = spec.get("TaskTemplate") or spec
    return int((template["ContainerSpec"].get("Labels") or {}).get(VERSION, 0))


def _hardened(label: Mapping[str, str]) -> dict[str, Any]:
    return {
        "Labels": dict(label),
        "Hostname": "{{.Service.Name}}-{{.Task.Slot}}",
        "User": HARDENED.user,
        "Init": True,
        "ReadOnly": True,
        "CapabilityDrop": HARDENED.host_config["CapDrop"],
        "Privileges": {"NoNewPrivileges": True},
        "Ulimits": HARDENED.host_config["Ulimits"],
        "StopGracePeriod": round(STOP_GRACE_S * SECOND),
        "Mounts": [
            {"Type": "tmpfs", "Target": path, "TmpfsOptions": {"SizeBytes": size, "Mode": 0o1777}}
            for path, size in TMPFS_BYTES.items()
        ],
    }


def _health_check(ready: tuple[str, ...]) -> dict[str, Any]:
    every = round(READY_EVERY_S * SECOND)
    return {"Test": ["CMD", *ready], "Interval": every, "Timeout": 2 * every, "Retries": 3}


def _config(rolling: Rolling) -> dict[str, Any]:
    """UpdateConfig: the first failure stops it."""
    return {
        "Parallelism": rolling.parallelism,
        "Delay": round(rolling.delay_s * SECOND),
        "FailureAction": "pause",
        "Monitor": round(rolling.monitor_s * SECOND),
        "MaxFailureRatio": 0,
        "Order": rolling.order,
    }


def _limits(asked: Limits) -> dict[str, int]:
    found = {}
    if asked.memory_bytes is not None:
        found["MemoryBytes"] = asked.memory_bytes
    if asked.cpus is not None:
        found["NanoCPUs"] = round(asked.cpus * 1e9)
    if asked.pids is not None:
        found["Pids"] = asked.pids
    return found
