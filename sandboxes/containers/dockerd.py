"""Starting a dockerd of our own in namespaces of its own, as root or without privileges."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandboxes.containers import runtime
from sandboxes.containers.launch import (
    EXEC_ROOT,
    VERSION_S,
    EngineProcess,
    found_programs,
    in_namespaces,
    make_folder,
    said,
)
from sandboxes.errors import EngineUnavailable
from sandboxes.profile import HOSTS

TUNING = {"GOGC": "400"}
"""dockerd runs itself twice more for each container, to set up its network; with Go's usual garbage collector half of
that time is spent on collecting while it initialises (the Go documentation of package runtime, GOGC)."""
PROGRAMS = ("dockerd", "containerd", "docker-init", "unshare", "mount", "ip")


class Dockerd(EngineProcess):
    """A running dockerd. `folder` gets its socket and log; afterwards the engine answers at `endpoint`.

    `apart` are unshare's words for a user namespace, if any; `flags` are dockerd's. Raises StartFailed with the end of
    its log when it does not come up.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        paths: Mapping[str, str],
        *,
        apart: Sequence[str],
        flags: Sequence[str],
    ) -> None:
        chosen = runtime.chosen_runtime(paths, apart)
        self.pressure = chosen.sees_pressure
        make_folder(folder)
        (folder / "daemon.json").write_text("{}")
        runtimes = []
        if chosen.name == "crun":
            (folder / "crun").write_text(runtime.crun_wrapper(paths["crun"]))
            (folder / "crun").chmod(0o755)
            runtimes = ["--add-runtime", f"crun={folder}/data/crun", "--default-runtime", "crun"]
        argv = [
            *(paths["docker-init"], "-s", "--", paths["dockerd"]),
            *("--data-root", f"{folder}/data/root", "--exec-root", EXEC_ROOT),
            *("--pidfile", f"{folder}/d.pid", "--host", f"unix://{folder}/d.sock"),
            *("--config-file", f"{folder}/daemon.json", *flags, *runtimes),
            *("--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"),
        ]
        launch = in_namespaces(paths["unshare"], apart, folder, chosen.command)
        super().__init__(folder, [*launch, *argv], {**TUNING, **environment})

    def hosts(self) -> str:
        """What is left to do for a container without a network when the engine's network code is not asked.

        The runtime makes its network namespace and loopback device anyway, and in 0.1 s less: libnetwork starts the
        whole engine program twice for each namespace, to join it from outside. This engine sees our files, so that its
        table of hosts can be ours.
        """
        path = self.folder / "hosts"
        if not path.exists():
            new = path.with_name(f"hosts-{secrets.token_hex(3)}")
            new.write_text(HOSTS)
            new.chmod(0o644)
            new.rename(path)
        return str(path)


def programs(*more: str) -> dict[str, str]:
    """Paths of the programs that a launch needs, and of crun where it is. Raises EngineUnavailable, naming the rest."""
    wanted = (*PROGRAMS, *more)
    found = found_programs(*wanted, "crun")
    if missing := [name for name in wanted if name not in found]:
        packages = "docker.io iproute2" + (" uidmap" if more else "")
        raise EngineUnavailable(
            "An engine of the book's own needs programs that are missing.",
            seen=f"not installed: {', '.join(missing)}",
            remedy=f"apt-get install {packages}   (./textbook serve does it)",
        )
    return found


def version(dockerd: str) -> str:
    """The version of the dockerd that would be started. Raises EngineUnavailable when it does not say it."""
    told = said([dockerd, "--version"], VERSION_S).stdout
    return told.removeprefix("Docker version ").split(",")[0].split("+")[0].strip()
