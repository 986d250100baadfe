"""A dockerd of our own, in its own mount, network, pid, ipc and uts namespaces, so that it meets nobody else's.

Its first process is tini, which reaps zombies; its data lie on a tmpfs that only it sees; when the process that
`unshare` left in our namespaces dies, the kernel ends the whole pid namespace, and with it every container.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sandboxes.containers import runtime
from sandboxes.containers.launch import EVERYWHERE, EngineProcess
from sandboxes.containers.runtime import Runtime
from sandboxes.errors import EngineUnavailable
from sandboxes.kernel import host

DATA_MIB = 512
TUNING = {"GOGC": "400"}
"""dockerd runs itself twice more for each container, to set up its network; with Go's usual garbage collector half of
that time is spent on collecting while it initialises (the Go documentation of package runtime, GOGC)."""
_LAUNCH = """
set -e
mount -t tmpfs -o "size=$2" tmpfs "$1/data"
[ ! -f "$1/crun" ] || cp -p "$1/crun" "$1/data/crun"
ip link set lo up
shift 2
exec "$@"
"""
"""The runtime is copied because the folder may be on a mount from which nothing is executed; our tmpfs is not."""


def programs() -> dict[str, str]:
    """Paths of the programs that the launch needs. Raises EngineUnavailable, naming those that are missing."""
    search = os.environ.get("PATH", "") + EVERYWHERE
    wanted = ("dockerd", "containerd", "docker-init", "unshare", "mount", "ip")
    found = {name: path for name in (*wanted, "crun") if (path := shutil.which(name, path=search))}
    if missing := [name for name in wanted if name not in found]:
        raise EngineUnavailable(
            "No container engine answers, and none can be started.",
            seen=f"not installed: {', '.join(missing)}",
            remedy="apt-get install docker.io iproute2   (./textbook serve does it)",
        )
    if os.geteuid() != 0:
        raise EngineUnavailable(
            "No container engine answers, and starting one needs root.",
            seen=f"{found['dockerd']} is installed, this is user {os.geteuid()}",
            remedy="start Docker or Podman for this user (docker info must answer), or run the book as root",
        )
    return found


def version() -> str:
    """The version of the dockerd that would be started. Raises EngineUnavailable."""
    said = subprocess.run(
        [programs()["dockerd"], "--version"], capture_output=True, text=True, timeout=10, check=False
    ).stdout
    return said.removeprefix("Docker version ").split(",")[0].split("+")[0].strip()


class PrivateEngine(EngineProcess):
    """A running dockerd. `folder` gets its socket, log and state; afterwards the engine answers at `endpoint`.

    Raises EngineUnavailable before anything starts, StartFailed with the end of its log when it does not come up.
    """

    origin = "private"

    def __init__(self, folder: Path, cgroup_parent: str, environment: Mapping[str, str]) -> None:
        paths = programs()
        chosen = runtime.chosen_runtime(paths)
        for name in ("data", "exec"):
            (folder / name).mkdir(parents=True, mode=0o700)
        (folder / "daemon.json").write_text("{}")
        if chosen.name == "crun":
            (folder / "crun").write_text(runtime.crun_wrapper(paths["crun"]))
            (folder / "crun").chmod(0o755)
        super().__init__(folder, _argv(paths, folder, cgroup_parent, chosen), {**TUNING, **environment})


def _argv(paths: Mapping[str, str], folder: Path, cgroup_parent: str, chosen: Runtime) -> list[str]:
    size = min(DATA_MIB << 20, host().memory_bytes // 4)
    apart = ["--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child=SIGKILL", "--mount-proc"]
    crun = ["--add-runtime", f"crun={folder}/data/crun", "--default-runtime", "crun"]
    return [
        *(paths["unshare"], *apart, "--propagation", "private"),
        *("sh", "-c", f"{chosen.command}\n{_LAUNCH}", "sh", str(folder), str(size)),
        *(paths["docker-init"], "-s", "--", paths["dockerd"]),
        *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/d.pid"),
        *("--host", f"unix://{folder}/d.sock", "--config-file", f"{folder}/daemon.json"),
        *("--cgroup-parent", cgroup_parent, "--exec-opt", "native.cgroupdriver=cgroupfs"),
        # Nothing is forwarded between networks, so none needs to be cut off from another; published ports are proxied.
        *("--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"),
        *(crun if chosen.name == "crun" else []),
    ]
