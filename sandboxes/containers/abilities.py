"""What an engine can do here, from its own answers to /version and /info and from the kernel's files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from sandboxes import model
from sandboxes.containers.runtime import Runtime
from sandboxes.kernel import host

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
_NO_IO = ("throttle.read_bps_device", "io.max (rbps)")
"""Of the warnings in /info (daemon/info_unix.go of Moby): the kernel or the engine's place has no such limit."""
NAME_SERVERS = (
    Path("/usr/lib/podman/aardvark-dns"),
    Path("/usr/libexec/podman/aardvark-dns"),
    Path("/usr/lib/cni/dnsname"),
    Path("/opt/cni/bin/dnsname"),
)
"""What lets Podman's containers find each other by name; it works without one, and says nothing of it in /info."""


def named() -> bool:
    """One of Podman's name servers is installed."""
    return any(path.exists() for path in NAME_SERVERS)


@dataclass(frozen=True)
class KernelOffer:
    """What this kernel has for containers. `controllers` are named as in version 1 (blkio, freezer).

    `layout` is how cgroups are mounted ("v1", "v2", "hybrid"); `pressure`: a cgroup of version 2 has pressure files.
    """

    layout: str
    controllers: frozenset[str]
    pressure: bool


def kernel_offer(proc: Path = PROC, cgroups: Path = CGROUPS) -> KernelOffer:
    """cgroups(7): /proc/cgroups lists controllers of version 1, cgroup.controllers those of version 2.

    The freezer is part of every cgroup of version 2 (Documentation/admin-guide/cgroup-v2.rst, cgroup.freeze).
    """
    found = set()
    if (cgroups / "cgroup.controllers").is_file():
        v2 = (cgroups / "cgroup.controllers").read_text().split()
        found |= {"blkio" if name == "io" else name for name in v2} | {"freezer"}
    if (proc / "cgroups").is_file():
        rows = (line.split() for line in (proc / "cgroups").read_text().splitlines() if not line.startswith("#"))
        found |= {row[0] for row in rows if row[3] == "1" and row[1] != "0"}
    tree = cgroups / "unified" if (cgroups / "unified").is_dir() else cgroups
    return KernelOffer(host().cgroups, frozenset(found), (tree / "cpu.pressure").is_file())


def answers(api: docker.APIClient) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an engine says to /version and /info. Podman's /info does not tell that it is rootless; its own API does.

    Raises docker.errors.DockerException, and what a client meets when nobody answers.
    """
    version, info = api.version(), api.info()
    if is_podman(version):
        own = api.get(f"{api.base_url}/v4.0.0/libpod/info").json()
        if own["host"]["security"]["rootless"]:
            info["SecurityOptions"] = [*(info.get("SecurityOptions") or []), "name=rootless"]
    return version, info


def is_podman(version: dict[str, Any]) -> bool:
    """It calls itself Podman."""
    return any("Podman" in part.get("Name", "") for part in version.get("Components") or [])


def parse_facts(version: dict[str, Any], info: dict[str, Any], origin: str, offer: KernelOffer) -> model.Engine:
    """Engine facts from its answers to /version and /info (Docker Engine API, "Get system information").

    Rootless under cgroups v1, or with cgroup driver "none", no limit is enforced, whatever else the engine says.
    What /info does not tell (freezer, pressure) is what this kernel offers. An engine in a guest names drivers of
    networks for which its kernel has no modules.
    """
    options = " ".join(info.get("SecurityOptions") or [])
    rootless = "rootless" in options
    podman, in_guest = is_podman(version), origin == "guest"
    cgroups = f"v{info.get('CgroupVersion') or '1'}"
    driver = info.get("CgroupDriver") or "none"
    obeyed = driver != "none" and not (rootless and cgroups == "v1")
    drivers = (info.get("Plugins") or {}).get("Network") or []
    return model.Engine(
        name="Podman" if podman else "Docker",
        version=str(version.get("Version", "")).split("+")[0],
        origin=origin,
        rootless=rootless,
        cgroup_version=cgroups,
        cgroup_driver=driver,
        runtime=info.get("DefaultRuntime") or "",
        cpu_limit=obeyed and bool(info.get("CpuCfsQuota")),
        memory_limit=obeyed and bool(info.get("MemoryLimit")),
        pids_limit=obeyed and bool(info.get("PidsLimit")),
        io_limit=obeyed and not (podman and rootless) and _limits_io(info, offer),
        pause=obeyed and "freezer" in offer.controllers,
        networks="bridge" in drivers and not in_guest and (not podman or (not rootless and named())),
        swarm="overlay" in drivers
        and not in_guest
        and not (podman or (rootless and origin == "reader") or info.get("LiveRestoreEnabled")),
        user_namespaces=rootless or "name=userns" in options,
        psi=obeyed and offer.pressure,
    )


def foretold(
    name: str, version: str, origin: str, runtime: Runtime, offer: KernelOffer, *, rootless: bool
) -> model.Engine:
    """The facts of an engine that would be started: as root it can use what the kernel offers, else no cgroup."""
    usable = frozenset() if rootless else offer.controllers
    docker_itself = name == "Docker"
    return model.Engine(
        name=name,
        version=version,
        origin=origin,
        rootless=rootless,
        cgroup_version="v2" if offer.layout == "v2" else "v1",
        cgroup_driver="none" if rootless and docker_itself else "cgroupfs",
        runtime=runtime.name,
        cpu_limit="cpu" in usable,
        memory_limit="memory" in usable,
        pids_limit="pids" in usable,
        io_limit="blkio" in usable,
        pause="freezer" in usable,
        networks=docker_itself or (not rootless and named()),
        swarm=docker_itself,
        user_namespaces=rootless,
        psi=not rootless and offer.pressure and runtime.sees_pressure,
    )


def _limits_io(info: dict[str, Any], offer: KernelOffer) -> bool:
    warned = any(word in warning for word in _NO_IO for warning in info.get("Warnings") or [])
    return "blkio" in offer.controllers and not warned
