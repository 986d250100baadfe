"""Networks between containers, in which they find each other by name."""

from __future__ import annotations

import contextlib
import functools
import re
import secrets
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

import docker

from sandboxes import model, request
from sandboxes.containers import web
from sandboxes.containers.client import NO_ANSWER, Engine
from sandboxes.containers.finding import engine
from sandboxes.containers.passage import passage
from sandboxes.errors import BadRequest, SandboxGone, StartFailed
from sandboxes.lifecycle import Closing


class Member(Protocol):
    """A container."""

    @property
    def id(self) -> str: ...


_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,39}")


def network(name: str | None = None, *, internal: bool = True) -> Network:
    """A network without members. Containers that join it resolve each other's names (Docker's embedded DNS).

    `internal` True: no way out of it. False: as far as the engine has a way; a private engine has none.
    Raises BadRequest, EngineUnavailable, Unavailable for an engine in a guest, StartFailed.
    Source: Docker Engine API, "Create a network".
    """
    if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise BadRequest(
            "name", "is not a name that works here.", seen=repr(name)[:80], remedy="letters, digits, . _ -"
        )
    request.yes_or_no("internal", internal)
    return Network(engine(), name or f"net-{secrets.token_hex(3)}", internal)


class Network(Closing):
    """A bridge network of this owner. Works in `with`; closing it takes its members out of it and removes it."""

    def __init__(self, engine: Engine, name: str, internal: bool) -> None:
        self.name, self.internal, self.engine = name, internal, engine
        engine.check_networks()
        unique = f"boundaries-{engine.owner.id}-{name}-{secrets.token_hex(2)}"
        try:
            made = engine.api.create_network(unique, driver="bridge", internal=internal, labels=engine.owner.label)
        except docker.errors.APIError as error:
            raise StartFailed(
                "The network was not made.", seen=str(error.explanation), remedy="close networks that nobody uses"
            ) from error
        except NO_ANSWER as error:
            raise engine.gone(error) from error
        self.id = str(made["Id"])
        self.closed = False

    def facts(self) -> model.Network:
        """Its addresses and members, as the engine reports them now. Raises SandboxGone."""
        said = self._said()
        plan = (said["IPAM"].get("Config") or [{}])[0]
        return model.Network(
            id=self.id,
            name=self.name,
            internal=bool(said["Internal"]),
            subnet=plan.get("Subnet", ""),
            gateway=plan.get("Gateway", ""),
            members=parse_members(said),
        )

    def _said(self) -> dict[str, Any]:
        try:
            return dict(self.engine.api.inspect_network(self.id))
        except docker.errors.APIError as error:
            raise SandboxGone(
                f"Network {self.name} is gone.", seen=str(error.explanation), remedy="make a new one"
            ) from error
        except NO_ANSWER as error:
            raise self.engine.gone(error) from error

    def http(self, box: Member, path: str = "/", *, port: int = 80, timeout_s: float = 5.0) -> model.HttpAnswer:
        """The answer to GET of a server in a member, at its address in this network: nothing has to be published.

        Raises BadRequest when `box` is no member, SandboxGone, and Unavailable when nobody answers.
        """
        said = self._said()
        found = (said.get("Containers") or {}).get(box.id)
        if found is None:
            raise BadRequest("box", "is no member of this network.", seen=repr(box)[:80], remedy="network=…")
        plan = (said["IPAM"].get("Config") or [{}])[0]
        dial = functools.partial(passage(self.engine).dial, gateway=plan.get("Gateway", ""))
        return web.get(dial, _address(found), path, port, timeout_s)

    def close(self) -> None:
        """It is removed; its members run on without it. Safe to repeat, also when the engine has died."""
        self.closed = True
        with contextlib.suppress(docker.errors.APIError, *NO_ANSWER):
            for member in self.engine.api.inspect_network(self.id).get("Containers") or {}:
                self.engine.api.disconnect_container_from_network(member, self.id, force=True)
            self.engine.api.remove_network(self.id)

    def __repr__(self) -> str:
        return f"<network {self.name}, {'closed' if self.closed else self.id[:12]}>"


def parse_members(said: Mapping[str, Any]) -> dict[str, str]:
    """Name -> IPv4 address, from the engine's record. Containers of one name keep what the engine adds to tell them
    apart: "web-1a2b3c". Source: Docker Engine API, "Inspect a network", Containers."""
    found = {one["Name"].removeprefix("boundaries-"): _address(one) for one in (said.get("Containers") or {}).values()}
    short = {name: name.rpartition("-")[0] or name for name in found}
    often = Counter(short.values())
    return {short[name] if often[short[name]] == 1 else name: address for name, address in found.items()}


def _address(member: Mapping[str, Any]) -> str:
    return str(member["IPv4Address"]).partition("/")[0]
