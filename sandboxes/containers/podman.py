"""A Podman service of our own: its API is Docker's, its storage, networks and cgroups are this owner's.

Podman has no engine that goes on running; `podman system service` answers the API and starts a conmon for each
container. In a pid namespace of its own all of that ends with its first process.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sandboxes import model
from sandboxes.containers import runtime
from sandboxes.containers.abilities import foretold, kernel_offer
from sandboxes.containers.client import Engine
from sandboxes.containers.launch import (
    AS_NOBODY,
    VERSION_S,
    WORK,
    EngineProcess,
    found_programs,
    in_namespaces,
    make_folder,
    said,
    try_user_namespace,
)
from sandboxes.containers.runtime import Runtime
from sandboxes.errors import EngineUnavailable
from sandboxes.lifecycle import Owner

ORIGIN = "podman"
PROGRAMS = ("podman", "conmon", "unshare", "mount", "ip")
RUNROOT = "/run/podman"
"""In the service's own /run: Podman takes no path of more than 50 characters."""
INITS = ("docker-init", "catatonit", "tini-static")
"""Programs that can be process 1 of a container: statically linked, and reaping zombies."""


class PodmanService(EngineProcess):
    """A running service whose containers' cgroups are below `cgroup_parent`. Raises as programs(), and StartFailed."""

    origin = ORIGIN

    def __init__(self, folder: Path, cgroup_parent: str, environment: Mapping[str, str]) -> None:
        paths, apart = programs(), () if os.geteuid() == 0 else AS_NOBODY
        chosen = _runtime(paths, apart)
        self.pressure, self._cgroup_parent = chosen.sees_pressure, "" if apart else cgroup_parent
        make_folder(folder)
        (folder / "containers.conf").write_text(_settings(folder, paths, chosen))
        (folder / "storage.conf").write_text(_storage(folder))
        if chosen.name == "crun":
            (folder / "crun").write_text(runtime.crun_wrapper(paths["crun"]))
            (folder / "crun").chmod(0o755)
        own = {
            "CONTAINERS_CONF": f"{folder}/containers.conf",
            "CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf",
            **dict.fromkeys(("HOME", "XDG_RUNTIME_DIR"), WORK),
        }
        storage = ["--root", f"{folder}/data/root", "--runroot", RUNROOT]  # a user's would be at home
        argv = [paths["init"], "-s", "--", paths["podman"], *storage, "system", "service", "--time", "0"]
        launch = in_namespaces(paths["unshare"], apart, folder, chosen.command)
        # By these Podman knows that it is root in a user namespace that somebody made for it (pkg/rootless).
        rootless = {"_CONTAINERS_USERNS_CONFIGURED": "done", "_CONTAINERS_ROOTLESS_UID": str(os.geteuid())}
        super().__init__(
            folder, [*launch, *argv, f"unix://{folder}/d.sock"], {**environment, **own, **(rootless if apart else {})}
        )

    def host_config(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """As root: its cgroup is this owner's, and no limit of resources is above our own.

        Podman raises those to the most that the kernel knows when they are not named, which CAP_SYS_RESOURCE allows.
        """
        if not self._cgroup_parent:
            return dict(wanted)
        named = {entry["Name"]: entry for entry in wanted.get("Ulimits") or ()}
        ours = {name: {"Name": name, "Soft": most, "Hard": most} for name, most in _ceilings().items()}
        return {**wanted, "CgroupParent": self._cgroup_parent, "Ulimits": [*{**ours, **named}.values()]}


def programs() -> dict[str, str]:
    """Paths of the programs that the launch needs. Raises EngineUnavailable where they are missing."""
    found = found_programs(*PROGRAMS, *INITS, "crun", "runc")
    missing = [name for name in PROGRAMS if name not in found]
    inits = [found[name] for name in INITS if name in found]
    if missing or not inits or not ("crun" in found or "runc" in found):
        lacks = missing + ([] if inits else ["an init (tini-static)"])
        raise EngineUnavailable(
            "A Podman service needs programs that are missing.",
            seen=f"not installed: {', '.join(lacks) or 'crun or runc'}",
            remedy="apt-get install podman crun tini iproute2",
        )
    if os.geteuid() != 0:
        try_user_namespace(found["unshare"])
    return {**found, "init": inits[0]}


def look() -> model.Engine:
    """What would be started: nothing is, but perhaps one tiny container (runtime.py). Raises EngineUnavailable."""
    paths, rootless = programs(), os.geteuid() != 0
    chosen = _runtime(paths, AS_NOBODY if rootless else ())
    version = said([paths["podman"], "--version"], VERSION_S).stdout.removeprefix("podman version ").strip()
    return foretold("Podman", version, ORIGIN, chosen, kernel_offer(), rootless=rootless)


def open_engine(mine: Owner, folder: Path) -> Engine:
    """It runs. Raises EngineUnavailable before anything starts, StartFailed."""
    process = PodmanService(folder, f"/boundaries-{mine.id}/{folder.name}", mine.environment())
    return Engine(process.api, process.endpoint, mine, process)


def _runtime(paths: Mapping[str, str], apart: Sequence[str]) -> Runtime:
    return runtime.chosen_runtime({**paths, "docker-init": paths["init"]}, apart)


def _settings(folder: Path, paths: Mapping[str, str], chosen: Runtime) -> str:
    """containers.conf(5). On version 1 of cgroups Podman leaves containers in its own cgroup namespace all the same."""
    ceilings = ", ".join(f'"{name}={most}:{most}"' for name, most in _ceilings().items())
    program = f"{folder}/data/crun" if chosen.name == "crun" else paths["runc"]
    return f"""\
[containers]
cgroupns = "private"
default_ulimits = [{ceilings}]
pids_limit = 0
init_path = "{paths["init"]}"
log_driver = "none"

[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
init_path = "{paths["init"]}"
runtime = "{chosen.name}"

[engine.runtimes]
{chosen.name} = ["{program}"]

[network]
network_config_dir = "{folder}/data/networks"
"""


def _storage(folder: Path) -> str:
    """containers-storage.conf(5)."""
    return f"""\
[storage]
driver = "overlay"
runroot = "{RUNROOT}"
graphroot = "{folder}/data/root"
"""


def _ceilings() -> dict[str, int]:
    """Our own hard limits (getrlimit(2)), which a container inherits; -1 is none."""
    names = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    return {name: resource.getrlimit(number)[1] for name, number in names.items()}
