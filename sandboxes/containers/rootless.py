"""A dockerd of our own without privileges: the private engine inside a user namespace of this user's.

Its cgroups are nobody's to write, so no limit is enforced; its containers see a user namespace, and root in them is
this user outside.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sandboxes import model
from sandboxes.containers import dockerd, runtime
from sandboxes.containers.abilities import foretold, kernel_offer
from sandboxes.containers.client import Engine
from sandboxes.containers.launch import AS_NOBODY, try_user_namespace
from sandboxes.errors import EngineUnavailable
from sandboxes.lifecycle import Owner

ORIGIN = "rootless"


class RootlessEngine(dockerd.Dockerd):
    """A running dockerd of this user's. Raises as programs(), and StartFailed."""

    origin = ORIGIN

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__(folder, environment, programs(), apart=AS_NOBODY, flags=["--rootless"])


def programs() -> dict[str, str]:
    """Paths of what the launch needs, user namespaces tried out. Raises EngineUnavailable, saying what is missing."""
    if os.geteuid() == 0:
        raise EngineUnavailable(
            "A rootless engine is for users without privileges.",
            seen="this is root",
            remedy="run the book as an ordinary user; as root, the private engine does more",
        )
    found = dockerd.programs("newuidmap", "newgidmap")
    try_user_namespace(found["unshare"])
    return found


def look() -> model.Engine:
    """What would be started: nothing is, but perhaps one tiny container (runtime.py). Raises EngineUnavailable."""
    paths = programs()
    chosen = runtime.chosen_runtime(paths, AS_NOBODY)
    return foretold("Docker", dockerd.version(paths["dockerd"]), ORIGIN, chosen, kernel_offer(), rootless=True)


def open_engine(mine: Owner, folder: Path) -> Engine:
    """It runs. Raises EngineUnavailable before anything starts, StartFailed."""
    process = RootlessEngine(folder, mine.environment())
    return Engine(process.api, process.endpoint, mine, process)
