"""The process of an engine that was started for this book, from its launch until nothing of it is left.

It lives in namespaces of its own. Its first process there is tini, which reaps zombies; its data lie on a tmpfs that
only it sees; when the process that `unshare` left in our namespaces dies, the kernel ends the whole pid namespace, and
with it every container.
"""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import docker

from sandboxes.containers.abilities import KernelOffer, kernel_offer
from sandboxes.containers.endpoints import PROBE_S, Endpoint
from sandboxes.errors import EngineUnavailable, StartFailed
from sandboxes.kernel import host

START_S = 30.0
TRIAL_S = 5.0
VERSION_S = 10.0
EVERYWHERE = ":/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
"""After the caller's PATH: the programs of an engine are often where only root looks."""
EXEC_ROOT = "/run/docker"
"""Where a dockerd keeps its sockets: in its own /run, as a path in the owner's folder may be too long (unix(7))."""
WORK = "/run/tmp"
"""Where an engine and its runtime write for a moment, in its own /run: a container that fills the engine's data must
not keep commands from starting in it and in its neighbours."""
DATA_MIB = 512
APART = ("--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child=SIGKILL", "--mount-proc")
AS_NOBODY = ("--user", "--map-root-user", "--map-auto")
"""unshare(1): root inside is this user outside, the others are the user's range of /etc/subuid."""

_LAUNCH = """
set -e
cd "$1"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p "$1"
mount -c --bind . "$1"
for place in /etc /opt /var/lib; do
  [ -d "$place" ] || continue
  mkdir -p "/run/over$place/upper" "/run/over$place/work"
  mount -t overlay -o "lowerdir=$place,upperdir=/run/over$place/upper,workdir=/run/over$place/work" overlay "$place"
done
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
for place in /etc/docker /var/lib/docker; do
  [ ! -d "$place" ] || mount -t tmpfs tmpfs "$place"
done
mount -t tmpfs -o "size=$2,mode=755" tmpfs "$1/data"
mkdir -m 1777 /run/tmp
cd /
[ ! -f "$1/crun" ] || cp -p "$1/crun" "$1/data/crun"
ip link set lo up
echo 0 > /proc/sys/net/ipv4/ip_forward
shift 2
exec "$@"
"""
"""Of what an engine writes the machine sees the folder alone: the sockets of its shims (/run/containerd), its key
(/etc/docker), its plug-ins' folders (/opt/containerd), its networks (/var/lib, /etc/cni) and its locks (/dev/shm) go
with its namespace.
The runtime is copied because the folder may be on a mount from which nothing is executed; our tmpfs is not.
Nothing is forwarded between bridges: that keeps networks apart here, where the engine makes no packet filter rules.
"""


class EngineProcess:
    """A running engine: `folder` holds its socket, log and state; it answers at `endpoint`; `api` is a client of it.

    Raises StartFailed with the end of its log when it does not come up.
    """

    origin = ""
    guest = None
    room = None
    promise = ""
    probe_s = PROBE_S
    pressure = True
    """Whether its containers are where the kernel keeps pressure files, if it keeps any."""

    def __init__(self, folder: Path, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.endpoint = Endpoint(f"unix://{folder}/d.sock", self.origin)
        with open(folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                argv,
                env={**environment, "PATH": environment.get("PATH", "") + EVERYWHERE, "TMPDIR": WORK},
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

    def offer(self) -> KernelOffer:
        """What the kernel has for its containers."""
        offer = kernel_offer()
        return offer if self.pressure else dataclasses.replace(offer, pressure=False)

    def log_tail(self, lines: int = 8) -> str:
        """The last lines of the engine's log."""
        with contextlib.suppress(OSError):
            return "\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-lines:])
        return "(no log)"

    def alive(self) -> bool:
        """Its containerd, if it has one, listens: without it an engine answers and can start nothing for 10 s."""
        address = Path(f"/proc/{self.pid}/root{EXEC_ROOT}/containerd/containerd.sock")
        with socket.socket(socket.AF_UNIX) as line, contextlib.suppress(OSError):
            line.connect(str(address))
            return True
        return not os.access(address, os.F_OK)

    def hosts(self) -> str | None:
        """A table of hosts for containers without a network; None: the engine makes one, with the network."""
        return None

    def host_config(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """A container's HostConfig as this engine needs it to be."""
        return dict(wanted)

    def close(self) -> None:
        """The engine and all its containers are dead and its folder is gone. Safe to repeat."""
        self._process.kill()
        self._process.wait()
        _until_refused(self.folder / "d.sock")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _ready(self) -> docker.APIClient:
        until = time.monotonic() + START_S
        address = self.folder / "d.sock"
        while time.monotonic() < until and self._process.poll() is None:
            if address.exists():
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


def make_folder(folder: Path) -> None:
    """The folder of an engine, with the place for its data in it."""
    folder.mkdir(parents=True, mode=0o700)
    (folder / "data").mkdir(mode=0o700)


def in_namespaces(unshare: str, apart: Sequence[str], folder: Path, tree: str) -> list[str]:
    """Words before an engine's own: they put it into its namespaces, with its own view of /run, /etc and its data.

    `apart` are unshare's words for a user namespace, if any; `tree` is a Runtime's command.
    """
    size = min(DATA_MIB << 20, host().memory_bytes // 4)
    script = f"{tree}\n{_LAUNCH}"
    return [unshare, *apart, *APART, "--propagation", "private", "sh", "-c", script, "sh", str(folder), str(size)]


def try_user_namespace(unshare: str) -> None:
    """This user can make the namespaces that an engine without root needs. Raises EngineUnavailable, saying why not."""
    trial = [unshare, *AS_NOBODY, *APART, "sh", "-c", "mount -t tmpfs tmpfs /run && ip link set lo up"]
    done = said(trial, TRIAL_S)
    if done.returncode:
        raise EngineUnavailable(
            "This user cannot make a user namespace with a range of user numbers.",
            seen=" ".join((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1:]),
            remedy=_remedy(),
        )


def said(words: Sequence[str], deadline_s: float) -> subprocess.CompletedProcess[str]:
    """A program that was run to its end. Raises EngineUnavailable when that is later than the deadline."""
    try:
        return subprocess.run(
            words, capture_output=True, text=True, timeout=deadline_s, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as late:
        raise EngineUnavailable(
            "A program that an engine needs does not answer.",
            seen=f"not ended after {deadline_s:.0f} s: {' '.join(words)[:200]}",
            remedy="try it again when the machine is less busy",
        ) from late


def found_programs(*names: str) -> dict[str, str]:
    """Paths of those programs that are there, looking also where only root looks as a rule."""
    search = os.environ.get("PATH", "") + EVERYWHERE
    return {name: where for name in names if (where := shutil.which(name, path=search))}


def _until_refused(address: Path, deadline_s: float = 2.0) -> None:
    """Wait until nobody answers: the pid namespace ends just after the process that held it."""
    until = time.monotonic() + deadline_s
    while time.monotonic() < until and address.exists():
        with contextlib.suppress(docker.errors.DockerException, OSError):
            docker.APIClient(f"unix://{address}", version="auto", timeout=1).close()
            time.sleep(0.01)
            continue
        return


def _remedy() -> str:
    """subuid(5): a line NAME:FIRST:COUNT in /etc/subuid and /etc/subgid gives a user a range."""
    name = getpass.getuser()
    ranges = [Path(path).read_text() if Path(path).is_file() else "" for path in ("/etc/subuid", "/etc/subgid")]
    if all(f"\n{name}:" in f"\n{text}" for text in ranges):
        return "allow user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)"
    return f"as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}"
