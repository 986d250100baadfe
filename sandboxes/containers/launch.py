"""The process of an engine that was started for this book, from its launch until nothing of it is left."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import docker

from sandboxes.containers.endpoints import Endpoint
from sandboxes.errors import StartFailed

START_S = 30.0
EVERYWHERE = ":/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
"""After the caller's PATH: the programs of an engine are often where only root looks."""


class EngineProcess:
    """A running engine: `folder` holds its socket, log and state; it answers at `endpoint`; `api` is a client of it.

    Raises StartFailed with the end of its log when it does not come up.
    """

    origin = ""

    def __init__(self, folder: Path, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.endpoint = Endpoint(f"unix://{folder}/d.sock", self.origin)
        with open(folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                argv,
                env={**environment, "PATH": environment.get("PATH", "") + EVERYWHERE},
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

    def alive(self) -> bool:
        """Its containerd, if it has one, listens: without it an engine answers and can start nothing for 10 s."""
        address = self.folder / "exec/containerd/containerd.sock"
        with socket.socket(socket.AF_UNIX) as line, contextlib.suppress(OSError):
            line.connect(str(address))
            return True
        return not address.exists()

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


def found_programs(*names: str, path: str) -> dict[str, str]:
    """Paths of those programs that are there, looking also where only root looks as a rule."""
    return {name: where for name in names if (where := shutil.which(name, path=path + EVERYWHERE))}


def _until_refused(address: Path, deadline_s: float = 2.0) -> None:
    """Wait until nobody answers: the pid namespace ends just after the process that held it."""
    until = time.monotonic() + deadline_s
    while time.monotonic() < until and address.exists():
        with contextlib.suppress(docker.errors.DockerException, OSError):
            docker.APIClient(f"unix://{address}", version="auto", timeout=1).close()
            time.sleep(0.01)
            continue
        return
