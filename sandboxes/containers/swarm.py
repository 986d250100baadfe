"""An engine as a swarm of one node: which engine may be one, and the calls that Swarm adds to the Engine API."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import docker

from sandboxes.containers import finding, private
from sandboxes.containers.client import CALL_S, NO_ANSWER, Engine
from sandboxes.errors import EngineUnavailable, StartFailed
from sandboxes.lifecycle import Owner, owner

T = TypeVar("T")

ADDRESS = "127.0.0.1"
"""Where the one manager talks to itself: the loopback of the private engine's own network namespace."""
HISTORY = 4
"""Tasks that are kept for each slot: the one that runs, the one before, and those that failed since the last look."""
ATTEMPTS = 10
OF_SERVICE = "com.docker.swarm.service.id"
"""Swarm's own label on the containers of a service."""

_lock = threading.RLock()
_beside: Engine | None = None


class Swarm:
    """The swarm of an engine that is a manager. Every call raises docker.errors.APIError, or one of NO_ANSWER."""

    def __init__(self, engine: Engine, node: str) -> None:
        self.engine, self.node = engine, node

    def create(self, spec: Mapping[str, Any]) -> str:
        """The id of a new service. (The SDK's own call would ask a credential helper about the image's registry.)"""
        return str(self._post("/services/create", spec)["ID"])

    def inspect(self, service: str) -> dict[str, Any]:
        """The engine's own record of a service."""
        return dict(self.engine.api.inspect_service(service))  # type: ignore[no-untyped-call]

    def tasks(self, service: str) -> list[dict[str, Any]]:
        """Every task of a service that the engine still knows, ended ones too."""
        return list(self.engine.api.tasks(filters={"service": service}))  # type: ignore[no-untyped-call]

    def update(self, service: str, change: Callable[[dict[str, Any]], None]) -> None:
        """`change` edits the spec as it is now. The engine forgets how an earlier update went."""

        def attempt() -> None:
            seen = self.inspect(service)
            change(seen["Spec"])
            self._post(f"/services/{service}/update?version={seen['Version']['Index']}", seen["Spec"])

        _in_sequence(attempt)

    def rollback(self, service: str) -> None:
        """The spec before the last update is wanted again."""

        def attempt() -> None:
            seen = self.inspect(service)
            path = f"/services/{service}/update?version={seen['Version']['Index']}&rollback=previous"
            self._post(path, seen["Spec"])

        _in_sequence(attempt)

    def remove(self, service: str) -> None:
        """The service is forgotten; its tasks end soon after."""
        self.engine.api.remove_service(service)  # type: ignore[no-untyped-call]

    def holds(self, service: str) -> bool:
        """Whether a removed service still has a task, or a container: one can be on its way while the other is gone."""
        known = self.engine.api.tasks()  # type: ignore[no-untyped-call]
        labelled = {"label": f"{OF_SERVICE}={service}"}
        return any(task["ServiceID"] == service for task in known) or bool(
            self.engine.api.containers(all=True, filters=labelled)
        )

    def make(self, availability: str) -> None:
        """The node is "active", or "drain": its tasks end, and it gets no new ones. For all services on it."""

        def attempt() -> None:
            seen: Any = self.engine.api.inspect_node(self.node)
            spec: Any = {**seen["Spec"], "Availability": availability}
            self.engine.api.update_node(self.node, seen["Version"]["Index"], spec)

        _in_sequence(attempt)

    def network(self) -> str:
        """The id of an overlay network without a way out, made at the first call, for all services of this owner."""
        name = f"boundaries-{self.engine.owner.id}-services"
        with _lock:
            for known in self.engine.api.networks(names=[name]):
                return str(known["Id"])
            made = self.engine.api.create_network(name, driver="overlay", internal=True, labels=self.engine.owner.label)
            return str(made["Id"])

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        api = self.engine.api
        answer = api.post(f"{api.base_url}/v{api.api_version}{path}", json=body, timeout=CALL_S)
        if not answer.ok:
            said = answer.json().get("message", answer.text)
            raise docker.errors.APIError(said, response=answer, explanation=said)
        return dict(answer.json())


def swarm(where: str) -> Swarm:
    """The swarm of the book's own private engine, made at the first call; or of the reader's, which has to be one.

    `where` is "private" or "reader". A reader's engine is never turned into a swarm: that opens ports, and stays. When
    the reader's engine serves the containers, a private one is started beside it for the services.
    Raises EngineUnavailable, StartFailed, SandboxGone when the engine dies meanwhile.
    """
    with _lock:
        engine = _readers() if where == "reader" else _private()
        try:
            return Swarm(engine, _node(engine))
        except NO_ANSWER as error:
            raise engine.gone(error) from error


def _node(engine: Engine) -> str:
    """The id of the engine's node. A private engine becomes the manager of a new swarm."""
    state = engine.api.info().get("Swarm") or {}
    if not state.get("ControlAvailable"):
        _may_become_one(engine, state.get("LocalNodeState") or "it knows no swarms")
        _become_one(engine)
        state = engine.api.info()["Swarm"]
    return str(state["NodeID"])


def _may_become_one(engine: Engine, state: str) -> None:
    if engine.origin == "reader":
        raise EngineUnavailable(
            "Your engine is not a swarm manager, and the book does not make it one.",
            seen=f"swarm state of {engine.endpoint.url}: {state}",
            remedy='docker swarm init, yourself; or leave out engine="reader" to use an engine of the book\'s own',
        )
    facts = engine.facts()
    if not facts.swarm:
        raise EngineUnavailable(
            "The book's own engine cannot run services.",
            seen=f"{facts.name} {facts.version} has no overlay networks, or keeps containers alive without itself",
            remedy="./textbook doctor says what this engine can do",
        )


def _become_one(engine: Engine) -> None:
    settings = engine.api.create_swarm_spec(task_history_retention_limit=HISTORY)
    try:
        engine.api.init_swarm(advertise_addr=ADDRESS, listen_addr=f"{ADDRESS}:2377", swarm_spec=settings)
    except docker.errors.APIError as error:
        raise StartFailed(
            "The engine did not become a swarm manager.",
            seen=str(error.explanation),
            remedy="./textbook doctor says what this engine can do",
        ) from error


def _readers() -> Engine:
    found = finding.engine()
    if found.origin != "reader":
        raise EngineUnavailable(
            "No engine of yours answers.", seen=f"the containers run in a {found.origin} one", remedy="docker info"
        )
    return found


def _private() -> Engine:
    """The private engine of this process; one more beside the reader's, or beside one that cannot be a swarm."""
    global _beside
    found = finding.engine()
    if found.origin == "private":
        return found
    mine = owner()
    if _beside is not None and (_beside.owner is not mine or not _beside.alive()):
        if _beside.owner is mine:
            mine.release(_beside)
            _beside.close()
        _beside = None
    if _beside is None:
        _beside = _opened(mine, found)
        mine.adopt(_beside)
    return _beside


def _opened(mine: Owner, found: Engine) -> Engine:
    try:
        return private.open_engine(mine, mine.folder / "swarm")
    except EngineUnavailable as error:
        facts = found.facts()
        raise EngineUnavailable(
            "A service needs an engine of the book's own that runs as root, and none can be started.",
            seen=f"{error.seen}; the containers run in {facts.name} {facts.version} ({facts.origin})",
            remedy='run the book as root; or, when your Docker is a swarm manager already, engine="reader"',
        ) from error


def _forked() -> None:
    """A child of fork(2) does not keep its parent's lock held; the engine stays with its owner."""
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_forked)


def _in_sequence(attempt: Callable[[], T]) -> T:
    """The orchestrator writes to the same records: a change that was based on an older one is made again."""
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except docker.errors.APIError as error:
            if "out of sequence" not in str(error.explanation):
                raise
            time.sleep(0.02)
    return attempt()
