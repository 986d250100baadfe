"""Container engines: what one is and can do, and the ways to one that this book tries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Engine:
    """A container engine that answered, or that would be started.

    `origin` is "reader" (found running), "private" (started for this book as root), "rootless" (the same without
    privileges), "podman" (a Podman service started for this book) or "guest" (a dockerd in a virtual machine).
    `runtime` is the OCI runtime that makes the containers when none is named. A flag is True only where somebody says
    so; False is "no" or "nobody says".
    `promise` is what its user should know about it, if anything.

    - cpu_limit, memory_limit, pids_limit, io_limit: such a limit on a container is told to the kernel.
    - pause: a container can be frozen.
    - networks: containers can be joined by a bridge network of their own, and find each other by name.
    - swarm: services can be run on it.
    - user_namespaces: its containers have a user namespace of their own, so that root inside is nobody outside.
    - psi: each container has pressure files (Documentation/accounting/psi.rst, "Cgroup2 interface").
    """

    name: str
    version: str
    origin: str
    rootless: bool
    cgroup_version: str
    cgroup_driver: str
    runtime: str
    cpu_limit: bool = False
    memory_limit: bool = False
    pids_limit: bool = False
    io_limit: bool = False
    pause: bool = False
    networks: bool = False
    swarm: bool = False
    user_namespaces: bool = False
    psi: bool = False
    promise: str = ""

    @property
    def enforces(self) -> frozenset[str]:
        """The limits that it really applies here: those of "cpu", "memory", "pids" and "io"."""
        return frozenset(name for name in ("cpu", "memory", "pids", "io") if getattr(self, f"{name}_limit"))


@dataclass(frozen=True)
class Tier:
    """One of the ways to an engine, by the name of its origin; "bare" stands for namespaces without an engine.

    `state` is "chosen", "possible" (and not needed) or "not here"; `engine` is what it is or would be; `why` and
    `remedy` say what is in the way and what to do about it.
    """

    name: str
    state: str
    engine: Engine | None
    why: str = ""
    remedy: str = ""
