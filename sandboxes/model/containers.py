"""Containers as kernel and engine report them."""

from __future__ import annotations

from dataclasses import dataclass

from sandboxes.model.cgroups import CgroupSample, Limits
from sandboxes.model.engines import Engine
from sandboxes.model.machine import Host, Process


@dataclass(frozen=True)
class Container:
    """A running container as kernel and engine report it.

    `init` is its first process with the pid that the *host* sees; `processes` are all of them, host pids.
    `capabilities` are the effective ones of init (capabilities(7)); `seccomp` is "disabled", "strict" or "filter".
    """

    id: str
    name: str
    image: str
    profile: str
    user: str
    init: Process
    processes: tuple[Process, ...]
    limits: Limits
    cgroup: CgroupSample
    capabilities: tuple[str, ...]
    seccomp: str
    no_new_privileges: bool
    start_ms: float
    engine: Engine
    host: Host
