"""What a reader may ask of a service; checked in full before an engine is looked for."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandboxes import request
from sandboxes.containers.images.book import NAMES
from sandboxes.containers.images.image import EngineImage
from sandboxes.containers.limits import limits
from sandboxes.errors import BadRequest
from sandboxes.kernel import host
from sandboxes.model import Limits
from sandboxes.setting import environment

MOST_REPLICAS = 100
REPLICA_BYTES = 32 << 20
"""An idle task costs some 14 MB, most of it the engine's process beside it; twice that is asked of the machine."""
ORDERS = ("start-first", "stop-first")

_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")


@dataclass(frozen=True)
class Version:
    """What a task runs; None leaves a thing as it is in the version before, or in the image."""

    image: str | None
    command: tuple[str, ...] | None
    env: tuple[str, ...] | None
    ready: tuple[str, ...] | None


@dataclass(frozen=True)
class Rolling:
    """How an update goes through the tasks: `parallelism` at a time, `delay_s` between them, each one watched for
    `monitor_s` after its start."""

    parallelism: int
    order: str
    delay_s: float
    monitor_s: float


@dataclass(frozen=True)
class WantedService:
    """A service as asked for, checked."""

    name: str
    replicas: int
    limits: Limits
    network: bool
    version: Version


def wanted_service(
    image: str | EngineImage | None,
    replicas: int,
    command: str | Sequence[str] | None,
    env: Mapping[str, str] | None,
    ready: str | Sequence[str] | None,
    name: str | None,
    memory: str | int | None,
    cpus: float | None,
    pids: int | None,
    network: bool,
) -> WantedService:
    """Raises BadRequest, naming the argument; nothing has been started then."""
    if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise BadRequest(
            "name", "is not a name that works here.", seen=repr(name)[:80], remedy="a-z, 0-9 and -, at most 30: web-1"
        )
    if command is None and (image is None or image in NAMES):
        command = ("sleep", "infinity")
    return WantedService(
        name or f"svc-{secrets.token_hex(3)}",
        wanted_replicas(replicas),
        limits(memory, cpus, pids),
        request.yes_or_no("network", network),
        wanted_version(image, command, env, ready),
    )


def wanted_replicas(replicas: int) -> int:
    """A number of tasks that this machine can hold. Raises BadRequest."""
    most = min(MOST_REPLICAS, host().memory_bytes // REPLICA_BYTES)
    return request.count("replicas", replicas, least=0, most=most)


def wanted_version(
    image: str | EngineImage | None,
    command: str | Sequence[str] | None,
    env: Mapping[str, str] | None,
    ready: str | Sequence[str] | None,
) -> Version:
    """Raises BadRequest."""
    named = image.name if isinstance(image, EngineImage) else image
    if named is not None and (not isinstance(named, str) or not named.strip()):
        raise BadRequest("image", "is not a name.", seen=repr(named)[:80], remedy='such as "alpine:3.20"')
    return Version(
        named,
        None if command is None else request.argv(command),
        None if env is None else tuple(f"{name}={value}" for name, value in sorted(environment(env).items())),
        None if ready is None else request.argv(ready, "ready"),
    )


def wanted_rolling(parallelism: int, order: str, delay_s: float, monitor_s: float) -> Rolling:
    """Raises BadRequest."""
    return Rolling(
        request.count("parallelism", parallelism, least=1, most=MOST_REPLICAS),
        request.one_of("order", order, ORDERS),
        request.number("delay_s", delay_s, least=0, most=60),
        request.number("monitor_s", monitor_s, least=0.1, most=60),
    )
