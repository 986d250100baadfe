"""A dockerd of our own, in its own mount, network, pid, ipc and uts namespaces, so that it meets nobody else's.

Its first process is tini, which reaps zombies; its data lie on a tmpfs that only it sees; when the process that
`unshare` left in our namespaces dies, the kernel ends the whole pid namespace, and with it every container.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import docker

from sandboxes.containers.endpoints import Endpoint
from sandboxes.errors import EngineUnavailable, StartFailed
from sandboxes.kernel import host

START_S = 30.0
DATA_MIB = 512
_EVERYWHERE = ":/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_LAUNCH = """
set -e
mount -t tmpfs -o "size=$2" tmpfs "$1/data"
ip link set lo up
shift 2
exec "$@"
"""


def programs() -> dict[str, str]:
    """Paths of the programs that the launch needs. Raises EngineUnavailable, naming those that are missing."""
    search = os.environ.get("PATH", "") + _EVERYWHERE
    wanted = ("dockerd", "containerd", "docker-init", "unshare", "mount", "ip")
    found = {name: path for name in wanted if (path := shutil.which(name, path=search))}
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


class PrivateEngine:
    """A running dockerd. `folder` gets its socket, log and state; afterwards the engine answers at `endpoint`.

    Raises EngineUnavailable before anything starts, StartFailed with the end of its log when it does not come up.
    """

    def __init__(self, folder: Path, cgroup_parent: str, environment: Mapping[str, str]) -> None:
        paths = programs()
        for name in ("data", "exec"):
            (folder / name).mkdir(parents=True, mode=0o700)
        (folder / "daemon.json").write_text("{}")
        self.folder = folder
        self.endpoint = Endpoint(f"unix://{folder}/d.sock", "private")
        with open(folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                _argv(paths, folder, cgroup_parent),
                env={**environment, "PATH": environment.get("PATH", "") + _EVERYWHERE},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
            )
        try:
            self.api = self._ready()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process in our namespaces on which the engine hangs."""
        return self._process.pid

    def log_tail(self, lines: int = 8) -> str:
        """The last lines of the engine's log."""
        with contextlib.suppress(OSError):
            return "\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-lines:])
        return "(no log)"

    def close(self) -> None:
        """The engine and all its containers are dead and its folder is gone. Safe to repeat."""
        self._process.kill()
        self._process.wait()
        _until_refused(self.folder / "d.sock")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _ready(self) -> docker.APIClient:
        until = time.monotonic() + START_S
        socket = self.folder / "d.sock"
        while time.monotonic() < until and self._process.poll() is None:
            if socket.exists():
                with contextlib.suppress(docker.errors.DockerException, OSError):
                    return self.endpoint.connect(60)
            time.sleep(0.01)
        ended = self._process.poll()
        raise StartFailed(
            "The book's own container engine did not come up.",
            seen=(f"exit status {ended}" if ended is not None else f"no answer within {START_S:.0f} s")
            + f"; the end of its log:\n{self.log_tail()}",
            remedy="./textbook doctor names what is missing on this machine",
        )


def _argv(paths: Mapping[str, str], folder: Path, cgroup_parent: str) -> list[str]:
    size = min(DATA_MIB << 20, host().memory_bytes // 4)
    apart = ["--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child=SIGKILL", "--mount-proc"]
    return [
        *(paths["unshare"], *apart, "--propagation", "private"),
        *("sh", "-c", _LAUNCH, "sh", str(folder), str(size)),
        *(paths["docker-init"], "-s", "--", paths["dockerd"]),
        *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/d.pid"),
        *("--host", f"unix://{folder}/d.sock", "--config-file", f"{folder}/daemon.json"),
        *("--cgroup-parent", cgroup_parent, "--exec-opt", "native.cgroupdriver=cgroupfs"),
        *("--bridge", "none", "--iptables=false", "--ip6tables=false", "--userland-proxy=false"),
    ]


def _until_refused(socket: Path, deadline_s: float = 2.0) -> None:
    """Wait until nobody answers: the pid namespace ends just after the process that held it."""
    until = time.monotonic() + deadline_s
    while time.monotonic() < until and socket.exists():
        with contextlib.suppress(docker.errors.DockerException, OSError):
            docker.APIClient(f"unix://{socket}", version="auto", timeout=1).close()
            time.sleep(0.01)
            continue
        return
