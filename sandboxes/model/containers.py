"""Containers as kernel and engine report them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandboxes.model.cgroups import CgroupSample
from sandboxes.model.engines import Engine
from sandboxes.model.limits import Limits
from sandboxes.model.machine import Host, Process


@dataclass(frozen=True)
class Container:
    """A running container as kernel and engine report it.

    `init` is its first process with the pid that the *host* sees; `processes` are all of them, host pids. With an
    engine in a guest (`engine.origin`) that guest is what runs them, and the pids are its kernel's.
    `capabilities` are the effective ones of init (capabilities(7)); `seccomp` is "disabled", "strict" or "filter".
    `cgroup` is None where it has none of its own, as under a rootless engine on version 1: then nothing is counted.
    `start_ms` is the time from the request to its running, or with `warm` the time that taking it from a pool took.
    `addresses` maps a network's name to its IPv4 address there; `ports` a port inside to one of the host's loopback.
    """

    id: str
    name: str
    image: str
    profile: str
    user: str
    init: Process
    processes: tuple[Process, ...]
    limits: Limits
    cgroup: CgroupSample | None
    capabilities: tuple[str, ...]
    seccomp: str
    no_new_privileges: bool
    start_ms: float
    engine: Engine
    host: Host
    warm: bool = False
    paused: bool = False
    addresses: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[int, int] = field(default_factory=dict)
