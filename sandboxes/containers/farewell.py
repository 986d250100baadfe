"""Remove what an owner made in the reader's engine: python farewell.py URL LABEL [CA CERT KEY].

It runs as a plain script after the owner's death, so it imports nothing of the package.
"""

import contextlib
import sys
import time

import docker
import requests
from docker.tls import TLSConfig

LATE_S = (0.3, 0.6)
"""A container that was being made while its owner died appears a moment later."""


def remove_labelled(api: docker.APIClient, label: str) -> int:
    """Afterwards the engine has no service, container, network, volume, image with this label; how many it had.

    An owner's images are found by its id in their names too: one that was loaded carries the label it was built with.
    """
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
    for entry in api.volumes(filters=wanted)["Volumes"] or ():
        with contextlib.suppress(docker.errors.APIError):
            api.remove_volume(entry["Name"], force=True)
            removed += 1
    name = f"boundaries-{label.partition('=')[2]}"
    for entry in api.images(filters={"reference": [f"{name}/*", f"*/{name}/*"]}):
        for tag in [*(entry["RepoTags"] or []), *(entry["RepoDigests"] or [])]:
            if f"{name}/" in tag:
                with contextlib.suppress(docker.errors.APIError):
                    api.remove_image(tag)
                    removed += 1
    for entry in api.images(filters=wanted):
        with contextlib.suppress(docker.errors.APIError):
            api.remove_image(entry["Id"], force=True)
            removed += 1
    return removed


def main(argv: list[str]) -> int:
    url, label, *files = argv
    tls: TLSConfig | bool = False
    if files:
        ca_cert, certificate, key = files
        tls = TLSConfig(ca_cert=ca_cert or None, client_cert=(certificate, key) if certificate else None)
    api = docker.APIClient(url, version="auto", timeout=10, tls=tls)
    remove_labelled(api, label)
    with contextlib.suppress(requests.exceptions.RequestException):  # it has ended meanwhile, so nothing appears in it
        for wait_s in LATE_S:
            time.sleep(wait_s)
            remove_labelled(api, label)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
