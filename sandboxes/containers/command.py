"""One command in a running container: started, read to its end, and ended for certain when it takes too long."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import docker
import requests
import urllib3

from sandboxes.containers import ending, reasons, sight
from sandboxes.containers.client import NO_ANSWER, Engine
from sandboxes.containers.guest_group import GuestGroup
from sandboxes.containers.output import Streams
from sandboxes.containers.stream import Stream
from sandboxes.errors import RunTimeout, SandboxError, Unavailable
from sandboxes.kernel import Cgroup
from sandboxes.model import Result
from sandboxes.output import Told
from sandboxes.setting import USUAL, Setting

MARK = "BOUNDARIES_COMMAND"
"""Environment variable by which all processes of one command are found, also those that left its session."""

REFUSED = "OCI runtime exec failed"
ANSWER_S = 60.0
IN_GUEST_S = 20.0
"""What is asked of an emulated kernel, several times, takes as long."""
_NO_CONTAINERD = "connection error: desc ="
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
    tty: bool = False

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

    def connect(self, timeout_s: float = ANSWER_S) -> Stream:
        """It is being started, and its streams are ours. Raises docker.errors.APIError, a time-out."""
        return Stream(self.engine.api, self.exec_id, tty=self.tty, timeout_s=timeout_s)

    def started(self, deadline_s: float = ANSWER_S) -> int | None:
        """Its pid as the engine sees it, once it has one; None when it could not be started, or has ended already."""
        until = time.monotonic() + deadline_s
        while True:
            running, pid, code = self.state()
            if running and pid:
                return pid
            if (not running and code is not None) or time.monotonic() > until:
                return None
            time.sleep(0.002)


def prepare(
    engine: Engine,
    container_id: str,
    argv: tuple[str, ...],
    setting: Setting = USUAL,
    *,
    output: bool = True,
    attach_input: bool = False,
    tty: bool = False,
) -> Command:
    """Nothing runs yet. Raises docker.errors.APIError when the container is gone, Unavailable for input over TLS."""
    if setting.input is not None and engine.endpoint.tls:
        raise Unavailable(
            "The end of a command's input cannot be told to this engine, so none can be given.",
            seen=f"its connection is encrypted ({engine.endpoint.url}), and Python's TLS ends both ways at once",
            remedy="use an engine that listens on a socket of this machine",
        )
    mark = f"{MARK}={secrets.token_hex(6)}"
    made = engine.api.exec_create(
        container_id,
        list(argv),
        stdin=attach_input or setting.input is not None,
        stdout=output,
        stderr=output,
        tty=tty,
        environment=[mark, *(f"{name}={value}" for name, value in setting.env.items())],
        workdir=setting.cwd or None,
        user=setting.user,
    )
    return Command(engine, container_id, argv, made["Id"], mark, tty)


def read_to_end(
    command: Command,
    streams: Streams,
    cgroup: Callable[[], Cgroup],
    timeout_s: float,
    *,
    given: bytes | None = None,
    connect: Callable[[float], Stream] | None = None,
) -> int:
    """Both streams have been read to their end, and this is the exit status. Afterwards the command has ended.

    `given` is its whole input. `connect` starts it, by itself as a rule. Raises RunTimeout after `timeout_s`.
    """
    until = time.monotonic() + timeout_s
    try:
        _read((connect or command.connect)(min(ANSWER_S, _left(until))), streams, until, given)
        code = command.exit_code(max(1.0, until - time.monotonic()))
        if code is None:
            raise TimeoutError
        return code
    except _TIMED_OUT as error:
        how = end(command, cgroup)
        raise RunTimeout(
            f"The command did not end within {timeout_s:g} s: {shown(command.argv)}",
            seen=f"{how}; its output until then: {_last(streams)}",
            remedy="give it more time (timeout_s=…), or start it in the background with start()",
        ) from error
    except BaseException:  # also a KeyboardInterrupt: what the reader interrupts must not go on running
        with contextlib.suppress(SandboxError, docker.errors.DockerException, OSError):
            end(command, cgroup)
        raise


def run(
    command: Command,
    cgroup: Callable[[], Cgroup],
    timeout_s: float,
    place: str,
    *,
    given: bytes | None = None,
    told: Told | None = None,
    connect: Callable[[float], Stream] | None = None,
) -> Result:
    """What read_to_end() read, as a result with its wall time. Raises RunTimeout after `timeout_s`."""
    streams = Streams(told=told)
    begun = time.monotonic()
    code = read_to_end(command, streams, cgroup, timeout_s, given=given, connect=connect)
    wall_ms = (time.monotonic() - begun) * 1000
    stdout, stderr = own_words(code, streams)
    if code == 126 and (stdout + stderr).startswith(_NO_CONTAINERD):
        raise command.engine.gone(ConnectionError(stdout + stderr))
    return Result(command.argv, code, stdout, stderr, wall_ms, place)


def own_words(code: int | None, streams: Streams) -> tuple[str, str]:
    """Both streams as text. The engine's own refusal comes as if the command had said it; it belongs to stderr."""
    stdout, stderr = streams.stdout, streams.stderr
    if code in (126, 127) and stdout.startswith(REFUSED):
        return "", stdout.replace("\r\n", "\n") + stderr
    return stdout, stderr


def end(command: Command, cgroup: Callable[[], Cgroup]) -> str:
    """Afterwards no process of the command is left, or none will be once a frozen container is resumed.

    How that was done, in words. What may escape is what `ending` does not find. When the command itself outlives that,
    the whole container is killed, and a later call to it says why.
    """
    wait_s, frozen, all_dead, engine_pid = 2.0, False, True, 0
    with contextlib.suppress(*NOT_THERE):  # an engine that does not answer keeps nobody from being killed
        engine_pid = command.state()[1]
    try:
        group = cgroup()
        frozen = sight.frozen(group)
        if isinstance(group, GuestGroup):
            wait_s = IN_GUEST_S
        elif frozen:
            wait_s = 0.05
        all_dead = ending.kill(group, command.mark, engine_pid, wait_s)
    except (PermissionError, SandboxError):
        _kill_inside(command, cgroup, engine_pid)
    if command.exit_code(wait_s) is not None:
        return "it was killed with all its processes" if all_dead else "it was killed, and some it had started live on"
    if frozen:
        return "it is killed, and ends when its container is resumed"
    reasons.note_end(command.container_id, f"killed, as a command could not be ended alone: {shown(command.argv)}")
    command.engine.api.kill(command.container_id)
    return "it could not be killed alone, so the whole container was"


def _kill_inside(command: Command, cgroup: Callable[[], Cgroup], engine_pid: int) -> None:
    """By programs of the container, as its user and as root, where this user may not signal its processes."""
    words = ending.words_inside(cgroup, command.mark, engine_pid)
    for user in ("", "0"):
        with contextlib.suppress(docker.errors.APIError, OSError):
            killer = prepare(command.engine, command.container_id, words, Setting(user=user), output=False)
            killer.engine.api.exec_start(killer.exec_id, detach=True)
            killer.exit_code(2.0)


def shown(argv: tuple[str, ...]) -> str:
    """A command as a line of at most 100 characters."""
    text = argv[2] if argv[:2] == ("sh", "-c") and len(argv) == 3 else " ".join(argv)
    return text if len(text) <= 100 else text[:97] + "…"


def _read(stream: Stream, streams: Streams, until: float, given: bytes | None) -> None:
    try:
        if given is not None:
            threading.Thread(target=stream.feed, args=(given,), daemon=True).start()
        with stream.until(_left(until)) as late:
            while data := stream.read():
                streams.feed(data)
        if late.is_set():
            raise TimeoutError
    finally:
        stream.close()


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _last(streams: Streams, lines: int = 3) -> str:
    said = (streams.stdout + streams.stderr).strip().splitlines()[-lines:]
    return " / ".join(line[-100:] for line in said) or "(none)"
