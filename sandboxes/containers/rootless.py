"""A dockerd of our own without privileges: the private engine inside a user namespace of this user's.

Its cgroups are nobody's to write, so no limit is enforced; its containers see a user namespace, and root in them is
this user outside.
"""

from __future__ import annotations

import getpass
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sandboxes import model
from sandboxes.containers import dockerd, runtime
from sandboxes.containers.abilities import foretold, kernel_offer
from sandboxes.containers.client import Engine
from sandboxes.containers.launch import APART, AS_NOBODY
from sandboxes.errors import EngineUnavailable
from sandboxes.lifecycle import Owner

ORIGIN = "rootless"
PROBE_S = 5.0
_TRIAL = "mount -t tmpfs tmpfs /run && ip link set lo up"


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
    trial = [found["unshare"], *AS_NOBODY, *APART, "sh", "-c", _TRIAL]
    done = subprocess.run(trial, capture_output=True, text=True, timeout=PROBE_S, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise EngineUnavailable(
            "This user cannot make a user namespace with a range of user numbers.",
            seen=" ".join((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1:]),
            remedy=_remedy(),
        )
    return found


def look() -> model.Engine:
    """What would be started: nothing is, but perhaps one tiny container (runtime.py). Raises EngineUnavailable."""
    paths = programs()
    chosen = runtime.chosen_runtime(paths, AS_NOBODY)
    return foretold(dockerd.version(paths["dockerd"]), ORIGIN, chosen, kernel_offer())


def open_engine(mine: Owner, folder: Path) -> Engine:
    """It runs. Raises EngineUnavailable before anything starts, StartFailed."""
    process = RootlessEngine(folder, mine.environment())
    return Engine(process.api, process.endpoint, mine, process)


def _remedy() -> str:
    """subuid(5): a line NAME:FIRST:COUNT in /etc/subuid and /etc/subgid gives a user a range."""
    name = getpass.getuser()
    ranges = [Path(path).read_text() if Path(path).is_file() else "" for path in ("/etc/subuid", "/etc/subgid")]
    if all(f"\n{name}:" in f"\n{text}" for text in ranges):
        return "allow user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)"
    return f"as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}"
