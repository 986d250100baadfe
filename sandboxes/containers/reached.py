"""A container on networks: its addresses, its published ports, and requests to it from this machine."""

from __future__ import annotations

import functools
import socket
from collections.abc import Mapping
from typing import Any

from sandboxes import model, request
from sandboxes.containers import addresses, web
from sandboxes.containers.client import Engine
from sandboxes.containers.observed import ObservedContainer
from sandboxes.containers.passage import passage
from sandboxes.containers.relay import HOST, Relay
from sandboxes.containers.wanted import Wanted
from sandboxes.errors import BadRequest

DIAL_S = 5.0


class ReachedContainer(ObservedContainer):
    """Ports that the engine does not publish itself are relayed by this process."""

    def __init__(self, engine: Engine, asked: Wanted) -> None:
        self._relays: dict[int, Relay] = {}
        super().__init__(engine, asked)
        try:
            if asked.ports:
                self._publish_all(asked.ports)
        except BaseException:
            self.close()
            raise

    def addresses(self) -> dict[str, str]:
        """Name of a network -> its IPv4 address there; empty without a network. Raises SandboxGone."""
        with self._open():
            return addresses.addresses(self._engine.inspect(self.id), self._engine.owner.id)

    def publish(self, port: int, at: int | None = None) -> int:
        """The port of this machine's loopback (127.0.0.1) that leads to `port` of the container until it is closed.

        `at` None takes a free one, or the one that leads there already. Raises BadRequest without a network, or when
        `at` is taken or another port leads there, SandboxGone.
        """
        request.count("port", port, least=1, most=65535)
        if at is not None:
            request.count("at", at, least=1024, most=65535)
        address, dial = self._route("port")
        known = self._relays.get(port)
        if known and at not in (None, known.port):
            led = f"{HOST}:{known.port} leads to port {port}"
            raise BadRequest("at", "is not where this port is published already.", seen=led, remedy="at=None gives it")
        return known.port if known else self._relay(port, at, address, dial, "at")

    def http(self, path: str = "/", *, port: int = 80, timeout_s: float = 5.0) -> model.HttpAnswer:
        """The answer to GET of a server in the container, at its own address: nothing has to be published.

        A port that the engine publishes is asked there, which works also when the engine is on another machine.
        Raises BadRequest, SandboxGone, and Unavailable when nobody answers.
        """
        with self._open():
            at = addresses.bindings(self._engine.inspect(self.id)).get(port)
        if at is not None:
            return web.get(_published, HOST, path, at, timeout_s)
        address, dial = self._route("network")
        return web.get(dial, address, path, port, timeout_s)

    def close(self) -> None:
        """It is removed with everything in it. Safe to repeat, also when the engine has died."""
        relays, self._relays = self._relays, {}
        for relay in relays.values():
            relay.close()
        super().close()

    def _publish_all(self, ports: Mapping[int, int | None]) -> None:
        with self._open():
            bound = addresses.bindings(self._engine.inspect(self.id))
        for port, at in ports.items():
            if port not in bound:
                self._relay(port, at, *self._route("port"), "ports")

    def _relay(self, port: int, at: int | None, address: str, dial: web.Dial, field: str) -> int:
        made = self._relays[port] = Relay(lambda: dial(address, port, DIAL_S), at, field)
        return made.port

    def _route(self, field: str) -> tuple[str, web.Dial]:
        """Its address, and how to get there."""
        with self._open():
            found = addresses.route(self._engine.inspect(self.id))
        if found is None:
            needs = "needs a container with a network."
            raise BadRequest(field, needs, seen="network=False", remedy="network=True, or one of network()")
        address, gateway = found
        return address, functools.partial(passage(self._engine).dial, gateway=gateway)

    def _ports(self, said: Mapping[str, Any]) -> dict[int, int]:
        return super()._ports(said) | {port: relay.port for port, relay in self._relays.items()}


def _published(address: str, port: int, timeout_s: float) -> socket.socket:
    return socket.create_connection((address, port), timeout=timeout_s)
