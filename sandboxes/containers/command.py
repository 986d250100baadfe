"""One command in a running container: started, read to its end, and ended for certain when it takes too long."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import docker
import requests
import urllib3

from sandboxes.containers import members
from sandboxes.containers.client import NO_ANSWER, Engine
from sandboxes.containers.output import Streams
from sandboxes.errors import RunTimeout, SandboxError
from sandboxes.kernel import Cgroup
from sandboxes.model import Result

MARK = "BOUNDARIES_COMMAND"
"""Environment variable by which all processes of one command are found, also those that left its session."""

_CHUNK = 1 << 16
_REFUSED = "OCI runtime exec failed"
_NO_CONTAINERD = "connection error: desc ="
_KILL_INSIDE = """
for entry in /proc/[0-9]*; do
  tr '\\0' '\\n' < "$entry/environ" | grep -qxF -- "$1" && kill -9 "${entry#/proc/}"
done 2>/dev/null
"""
NOT_THERE = (docker.errors.APIError, *NO_ANSWER)
"""What the engine's client meets when container or engine are gone."""
_TIMED_OUT = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)


@dataclass(frozen=True)
class Command:
    """A command that the engine was asked to prepare in a container (an "exec" of its API)."""

    engine: Engine
    container_id: str
    argv: tuple[str, ...]
    exec_id: str
    mark: str

    def state(self) -> tuple[bool, int, int | None]:
        """Whether it runs, its pid as the engine sees it, and its exit status."""
        said = self.engine.api.exec_inspect(self.exec_id)
        return bool(said["Running"]), int(said.get("Pid") or 0), said.get("ExitCode")

    def exit_code(self, deadline_s: float = 5.0) -> int | None:
        """The exit status; the engine learns it a moment after the output has ended. None: it still runs."""
        until = time.monotonic() + deadline_s
        while True:
            running, _, code = self.state()
            if not running and code is not None:
                return code
            if time.monotonic() > until:
                return None
            time.sleep(0.002)


def prepare(engine: Engine, container_id: str, argv: tuple[str, ...], *, output: bool) -> Command:
    """Nothing runs yet. Raises docker.errors.APIError when the container is gone."""
    mark = f"{MARK}={secrets.token_hex(6)}"
    made = engine.api.exec_create(container_id, list(argv), stdout=output, stderr=output, environment=[mark])
    return Command(engine, container_id, argv, made["Id"], mark)


def run(command: Command, cgroup: Callable[[], Cgroup], timeout_s: float, place: str) -> Result:
    """Read both streams to their end. Afterwards the command has ended, whatever happened.

    Raises RunTimeout after `timeout_s`.
    """
    streams = Streams()
    begun = time.monotonic()
    try:
        _read(command, streams, begun + timeout_s)
        code = command.exit_code(max(1.0, begun + timeout_s - time.monotonic()))
        if code is None:
            raise TimeoutError
    except _TIMED_OUT as error:
        how = end(command, cgroup)
        raise RunTimeout(
            f"The command did not end within {timeout_s:g} s: {_shown(command.argv)}",
            seen=f"{how}; its output until then: {_last(streams)}",
            remedy="give it more time (timeout_s=…), or start it in the background with start()",
        ) from error
    except BaseException:  # also a KeyboardInterrupt: what the reader interrupts must not go on running
        with contextlib.suppress(SandboxError, docker.errors.DockerException, OSError):
            end(command, cgroup)
        raise
    wall_ms = (time.monotonic() - begun) * 1000
    stdout, stderr = streams.stdout, streams.stderr
    if code == 126 and stdout.startswith(_NO_CONTAINERD):
        raise command.engine.gone(ConnectionError(stdout))
    if code in (126, 127) and stdout.startswith(
        _REFUSED
    ):  # the engine's own words come as if the command had said them
        stdout, stderr = "", stdout.replace("\r\n", "\n") + stderr
    return Result(command.argv, code, stdout, stderr, wall_ms, place)


def detach(command: Command) -> None:
    """It runs, and its output goes nowhere. Raises docker.errors.APIError when the program cannot be started."""
    command.engine.api.exec_start(command.exec_id, detach=True)


def end(command: Command, cgroup: Callable[[], Cgroup]) -> str:
    """Afterwards no process of the command is left. How that was done, in words."""
    try:
        members.kill_marked(cgroup(), command.mark)
    except (PermissionError, SandboxError):
        with contextlib.suppress(docker.errors.APIError, OSError):
            killer = prepare(
                command.engine, command.container_id, ("sh", "-c", _KILL_INSIDE, "sh", command.mark), output=False
            )
            detach(killer)
            killer.exit_code(2.0)
    if command.exit_code(2.0) is not None:
        return "it was killed with all its processes"
    command.engine.api.kill(command.container_id)
    return "it could not be killed alone, so the whole container was"


def _read(command: Command, streams: Streams, until: float) -> None:
    """Until both streams end. The SDK's own reader loses what arrives together with the response's header."""
    api = command.engine.api
    address = f"{api.base_url}/v{api.api_version}/exec/{command.exec_id}/start"
    response = api.post(address, json={"Detach": False, "Tty": False}, stream=True, timeout=_left(until))
    try:
        if not response.ok:
            raise docker.errors.APIError(response.text, response=response, explanation=response.text)
        with _hanging_up(response.raw.fileno(), _left(until)) as hung_up:
            while data := response.raw.read1(_CHUNK):
                streams.feed(data)
        if hung_up.is_set():
            raise TimeoutError
    finally:
        response.close()


@contextlib.contextmanager
def _hanging_up(connection: int, after_s: float) -> Iterator[threading.Event]:
    """Meanwhile, when the time is over, the connection is shut down (shutdown(2)), which ends a read that waits."""
    hung_up = threading.Event()
    line = socket.socket(fileno=os.dup(connection))

    def hang_up() -> None:
        hung_up.set()
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(after_s, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield hung_up
    finally:
        timer.cancel()
        timer.join()
        line.close()


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _shown(argv: tuple[str, ...]) -> str:
    text = argv[2] if argv[:2] == ("sh", "-c") and len(argv) == 3 else " ".join(argv)
    return text if len(text) <= 100 else text[:97] + "…"


def _last(streams: Streams, lines: int = 3) -> str:
    said = (streams.stdout + streams.stderr).strip().splitlines()[-lines:]
    return " / ".join(line[-100:] for line in said) or "(none)"
