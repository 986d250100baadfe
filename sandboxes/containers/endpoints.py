"""Where a reader's own engine may listen: DOCKER_HOST, the docker context, the usual sockets, Podman's socket."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import docker
import requests
from docker.context import ContextAPI
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env

PROBE_S = 2
"""An engine that takes longer to say its version is not used."""


@dataclass(frozen=True)
class Endpoint:
    """An address, and where it was found; `tls` as the docker SDK takes it."""

    url: str
    source: str
    tls: TLSConfig | bool = False

    def connect(self, timeout_s: int) -> docker.APIClient:
        """A client for an engine that has just answered. Raises DockerException or OSError."""
        return docker.APIClient(self.url, version="auto", timeout=timeout_s, tls=self.tls, max_pool_size=32)

    def connect_here(self, timeout_s: int) -> docker.APIClient:
        """The same for a port of this machine: whatever proxy the environment names for the world, it is not asked."""
        with requests.Session() as asking:
            asking.trust_env = False
            said = asking.get(f"{self.url.replace('tcp:', 'http:', 1)}/version", timeout=timeout_s).json()
        api = docker.APIClient(self.url, version=said["ApiVersion"], timeout=timeout_s, max_pool_size=32)
        api.trust_env = False
        return api

    def tls_files(self) -> list[str]:
        """Paths of the CA, certificate and key files, or nothing."""
        if not isinstance(self.tls, TLSConfig):
            return []
        return [str(path or "") for path in (self.tls.ca_cert, *(self.tls.cert or ("", "")))]

    @property
    def socket(self) -> Path | None:
        """The socket's path, when it is one of this machine."""
        return Path(self.url.removeprefix("unix://")) if self.url.startswith("unix://") else None


def endpoints(environment: Mapping[str, str] = os.environ) -> Iterator[Endpoint]:
    """Every place to ask, best first, each once; a socket that does not exist is left out."""
    seen = set()
    for endpoint in _all(environment):
        socket = endpoint.socket
        chosen = endpoint.source == "DOCKER_HOST"
        if endpoint.url not in seen and (chosen or socket is None or socket.exists()):
            seen.add(endpoint.url)
            yield endpoint


def _all(environment: Mapping[str, str]) -> Iterator[Endpoint]:
    if environment.get("DOCKER_HOST"):
        settings = kwargs_from_env(environment=dict(environment))
        yield Endpoint(settings["base_url"], "DOCKER_HOST", settings.get("tls") or False)
    context = ContextAPI.get_current_context()
    if context is not None and context.Host:
        yield Endpoint(context.Host, f"docker context {context.Name}", context.TLSConfig or False)
    session = environment.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    for path in (
        "/var/run/docker.sock",
        f"{session}/docker.sock",
        f"{Path.home()}/.docker/run/docker.sock",
        f"{session}/podman/podman.sock",
        "/run/podman/podman.sock",
    ):
        yield Endpoint(f"unix://{path}", path)
