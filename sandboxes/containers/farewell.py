"""Remove an owner's services, containers and networks from the reader's engine.

As a program: farewell.py URL LABEL [CA CERT KEY], run after the owner's death; it imports nothing of the package.
"""

import contextlib
import sys
import time

import docker
from docker.tls import TLSConfig

ATTEMPTS = 3
"""A container that was being made while its owner died appears a moment later."""


def remove_labelled(api: docker.APIClient, label: str) -> int:
    """Afterwards the engine has no service, container or network with this label ("key=value"). How many there were."""
    wanted = {"label": label}
    removed = 0
    with contextlib.suppress(docker.errors.APIError):  # an engine that is no swarm manager has no services
        for entry in api.services(filters=wanted):  # type: ignore[no-untyped-call]
            api.remove_service(entry["ID"])  # type: ignore[no-untyped-call]
            removed += 1
    for entry in api.containers(all=True, filters=wanted):
        with contextlib.suppress(docker.errors.APIError):
            api.remove_container(entry["Id"], force=True, v=True)
            removed += 1
    for entry in api.networks(filters=wanted):
        with contextlib.suppress(docker.errors.APIError):
            api.remove_network(entry["Id"])
            removed += 1
    return removed


def main(argv: list[str]) -> int:
    url, label, *files = argv
    tls: TLSConfig | bool = False
    if files:
        ca_cert, certificate, key = files
        tls = TLSConfig(ca_cert=ca_cert or None, client_cert=(certificate, key) if certificate else None)
    api = docker.APIClient(url, version="auto", timeout=10, tls=tls)
    for attempt in range(ATTEMPTS):
        time.sleep(attempt * 0.3)
        remove_labelled(api, label)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
