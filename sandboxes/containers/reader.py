"""The reader's own engine: the first that answers where one may listen, if it is not too old."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import docker

from sandboxes import model
from sandboxes.containers.abilities import answers, kernel_offer, parse_facts
from sandboxes.containers.client import NO_ANSWER, Engine
from sandboxes.containers.endpoints import PROBE_S, Endpoint, endpoints
from sandboxes.errors import EngineUnavailable
from sandboxes.lifecycle import Owner

ORIGIN = "reader"
OLDEST = {"Docker": (20, 10), "Podman": (4, 0)}
"""Before these, the Engine API lacks what the book asks for (cgroup namespaces: API 1.41)."""


def look() -> model.Engine:
    """What it says of itself. Raises EngineUnavailable, naming every place that was asked."""
    api, _, facts = _first()
    api.close()
    return facts


def open_engine(mine: Owner, folder: Path) -> Engine:
    """A client of it. Raises EngineUnavailable."""
    api, endpoint, _ = _first()
    return Engine(api, endpoint, mine, None)


def connect() -> docker.APIClient:
    """A client of it, to be closed by the caller. Raises EngineUnavailable."""
    return _first()[0]


def too_old(facts: model.Engine) -> bool:
    """It is older than what the book can use."""
    numbers = tuple(int(part) for part in facts.version.split(".")[:2] if part.isdigit())
    return numbers < OLDEST[facts.name]


def _first() -> tuple[docker.APIClient, Endpoint, model.Engine]:
    tried = []
    for endpoint in endpoints():
        try:
            api = endpoint.connect(PROBE_S)
        except (docker.errors.DockerException, *NO_ANSWER, OSError) as error:
            tried.append(f"{endpoint.source} ({endpoint.url}) does not answer: {_reason(error)}")
            continue
        try:
            facts = parse_facts(*answers(api), ORIGIN, kernel_offer())
        except (docker.errors.DockerException, *NO_ANSWER) as error:
            tried.append(f"{endpoint.source} ({endpoint.url}) does not say what it is: {_reason(error)}")
        else:
            if not too_old(facts):
                return api, endpoint, facts
            least = ".".join(map(str, OLDEST[facts.name]))
            tried.append(f"{endpoint.source} ({endpoint.url}) is {facts.name} {facts.version}, before {least}")
        api.close()
    raise EngineUnavailable(
        "No engine of yours can be used.",
        seen="; ".join(tried) or "no DOCKER_HOST, no docker context, no socket where Docker or Podman listen",
        remedy="start Docker (20.10 or later) or Podman (4 or later): `docker info` must answer for this user",
    )


def _reason(error: BaseException) -> str:
    """What the system said at the bottom of it, such as "Permission denied"; else what kind of error it is."""
    beneath: Any = error.__cause__ or error.__context__
    if beneath is not None:
        return _reason(beneath)
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
