"""A dockerd of our own as root, in its own mount, network, pid, ipc and uts namespaces: it meets nobody else's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sandboxes import model
from sandboxes.containers import dockerd, runtime
from sandboxes.containers.abilities import foretold, kernel_offer
from sandboxes.containers.client import Engine
from sandboxes.errors import EngineUnavailable
from sandboxes.lifecycle import Owner

ORIGIN = "private"


class PrivateEngine(dockerd.Dockerd):
    """A running dockerd whose containers' cgroups are below `cgroup_parent`. Raises as programs(), and StartFailed."""

    origin = ORIGIN

    def __init__(self, folder: Path, cgroup_parent: str, environment: Mapping[str, str]) -> None:
        flags = ["--cgroup-parent", cgroup_parent, "--exec-opt", "native.cgroupdriver=cgroupfs"]
        super().__init__(folder, environment, programs(), apart=(), flags=flags)


def programs() -> dict[str, str]:
    """Paths of the programs that the launch needs. Raises EngineUnavailable where they are missing, or without root."""
    found = dockerd.programs()
    if os.geteuid() != 0:
        raise EngineUnavailable(
            "The book's private engine needs root.",
            seen=f"it needs root, this is user {os.geteuid()}",
            remedy="start Docker or Podman for this user (docker info must answer), or run the book as root",
        )
    return found


def look() -> model.Engine:
    """What would be started: nothing is, but perhaps one tiny container (runtime.py). Raises EngineUnavailable."""
    paths = programs()
    chosen = runtime.chosen_runtime(paths)
    return foretold("Docker", dockerd.version(paths["dockerd"]), ORIGIN, chosen, kernel_offer(), rootless=False)


def open_engine(mine: Owner, folder: Path) -> Engine:
    """It runs. Raises EngineUnavailable before anything starts, StartFailed."""
    process = PrivateEngine(folder, f"/boundaries-{mine.id}/{folder.name}", mine.environment())
    return Engine(process.api, process.endpoint, mine, process)
