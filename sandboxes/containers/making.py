"""A container asked of an engine: created with its networks, not yet started."""

from __future__ import annotations

import secrets
from typing import Any

from sandboxes.containers.client import Engine
from sandboxes.containers.images import processor
from sandboxes.containers.scratch import Scratch
from sandboxes.containers.wanted import Wanted
from sandboxes.errors import SandboxGone

NO_NETWORK = "none"


def create(engine: Engine, asked: Wanted, image: str, scratch: Scratch | None, *, foreign: bool) -> str:
    """The id of a container that has been created; `foreign`: its image is for another processor.

    Raises docker.errors.APIError, SandboxGone for a lost network.
    """
    networks = _networks(engine, asked)
    on_disk = scratch.host_config(asked.limits) if scratch else {}
    host_config = processor.heard(asked.host_config()) if foreign else asked.host_config()
    config: dict[str, Any] = {
        "Image": image,
        "Entrypoint": [],
        "Cmd": ["sleep", "infinity"],
        "User": asked.profile.user,
        "Hostname": asked.name,
        "Env": [f"{name}={value}" for name, value in asked.env.items()],
        "Labels": engine.owner.label,
        "HostConfig": {**host_config, **on_disk, "NetworkMode": networks[0] if networks else NO_NETWORK},
    }
    if not networks and (hosts := engine.hosts()):
        config["NetworkDisabled"] = True
        config["HostConfig"]["Binds"] = [*on_disk.get("Binds", []), f"{hosts}:/etc/hosts:ro"]
    if networks:
        config["NetworkingConfig"] = {"EndpointsConfig": {networks[0]: {"Aliases": [asked.name]}}}
    if bound := bindings(engine, asked):
        config["ExposedPorts"] = {port: {} for port in bound}
        config["HostConfig"]["PortBindings"] = bound
    unique = f"boundaries-{asked.name}-{secrets.token_hex(3)}"
    made = engine.create(config, unique)
    for network in networks[1:]:
        engine.api.connect_container_to_network(made, network, aliases=[asked.name])
    return made


def bindings(engine: Engine, asked: Wanted) -> dict[str, Any]:
    """Ports that the engine itself publishes on this machine's loopback: it does so outside internal networks only."""
    if engine.origin != "reader" or not asked.networks or all(network.internal for network in asked.networks):
        return {}
    return {f"{port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(at or "")}] for port, at in asked.ports.items()}


def _networks(engine: Engine, asked: Wanted) -> list[str]:
    for network in asked.networks:
        if network.closed or network.engine is not engine:
            seen = "close() was called" if network.closed else "its engine has ended"
            raise SandboxGone(f"Network {network.name} is gone.", seen=seen, remedy="make the network again")
    return [engine.inner_network()] if asked.inner else [network.id for network in asked.networks]
