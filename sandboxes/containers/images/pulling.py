"""Fetch an image from a registry: only when asked for by digest, and only for some seconds."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from sandboxes.containers.client import Engine
from sandboxes.containers.images.stream import events
from sandboxes.errors import BadRequest, RunTimeout, StartFailed, Unavailable
from sandboxes.lifecycle import owner

PULL_S = 10.0
LOAD_S = 120.0
PODMAN_API = "4.0.0"
_DIGEST = re.compile(r"(?P<name>[a-z0-9][a-z0-9._/:-]{0,200})@(?P<digest>sha256:[0-9a-f]{64})")
LOOPBACK = re.compile(r"(127\.\d+\.\d+\.\d+|localhost)(:\d+)?/")
_NO_NETWORK = re.compile(
    r"no such host|dial tcp|network is unreachable|name resolution|connection refused|timeout", re.I
)


@dataclass(frozen=True)
class Wanted:
    """An image in a registry: "alpine" and "sha256:…"."""

    name: str
    digest: str

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}"


def checked(text: str) -> Wanted:
    """Raises BadRequest for anything but NAME@sha256:DIGEST: a tag may mean another image tomorrow."""
    found = _DIGEST.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise BadRequest(
            "pull",
            "is not an image by digest.",
            seen=repr(text)[:100],
            remedy='"alpine@sha256:" and 64 digits; `docker images --digests` shows them',
        )
    return Wanted(found["name"], found["digest"])


def pull(engine: Engine, wanted: Wanted) -> str:
    """The engine has the image; its name there. Within PULL_S, or it raises Unavailable or RunTimeout.

    An engine of the book's own has no way out of its network, so skopeo fetches for it, on this machine.
    """
    if engine.origin == "reader" or (LOOPBACK.match(wanted.name) and engine.guest is None):
        return _by_engine(engine, wanted)
    return by_skopeo(engine, wanted)


def fetched(engine: Engine, wanted: Wanted, timeout_s: float) -> Iterator[dict[str, Any]]:
    """What the engine tells while it fetches.

    Podman does so over plain HTTP only when told to, and only by the call of its own API (podman-image-pull(1)).
    """
    if engine.facts().name != "Podman":
        asked = {"fromImage": wanted.name, "tag": wanted.digest}
        return events(engine.api, "/images/create", None, asked, timeout_s=timeout_s)
    checked = "false" if LOOPBACK.match(wanted.name) else "true"
    asked = {"reference": str(wanted), "tlsVerify": checked}
    return events(engine.api, "/libpod/images/pull", None, asked, timeout_s=timeout_s, version=PODMAN_API)


def _by_engine(engine: Engine, wanted: Wanted) -> str:
    try:
        for event in fetched(engine, wanted, PULL_S):
            if "error" in event:
                raise failed(wanted, str(event["error"]))
    except docker.errors.APIError as error:
        raise failed(wanted, str(error.explanation)) from error
    return str(wanted)


def by_skopeo(engine: Engine, wanted: Wanted) -> str:
    """Fetched on this machine within PULL_S, then loaded. Raises Unavailable, RunTimeout, StartFailed."""
    program = shutil.which("skopeo")
    if program is None:
        raise Unavailable(
            "The book's own engine has no network, and skopeo, which could fetch for it, is missing.",
            seen="no skopeo on PATH",
            remedy="apt-get install skopeo, or start your own Docker or Podman",
        )
    name = f"boundaries-{engine.owner.id}/pulled-{wanted.digest[7:19]}:latest"
    with tempfile.TemporaryDirectory(prefix="boundaries-pull-") as folder:
        tar = Path(folder, "image.tar")
        _copy([program, "copy", "--quiet", f"docker://{wanted}", f"docker-archive:{tar}:{name}"], wanted)
        with tar.open("rb") as file:
            for event in events(engine.api, "/images/load", file, {"quiet": 1}, timeout_s=LOAD_S):
                if "error" in event:
                    raise StartFailed(
                        "The engine did not take the image.", seen=str(event["error"]), remedy="try again"
                    )
    return name


def _copy(argv: list[str], wanted: Wanted) -> None:
    with subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=owner().environment(), start_new_session=True
    ) as process:
        try:
            _, said = process.communicate(timeout=PULL_S)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise RunTimeout(
                    f"The image did not arrive within {PULL_S:g} s.", seen=str(wanted), remedy="try a smaller image"
                ) from error
            raise
    if process.returncode:
        raise failed(wanted, said.decode(errors="replace"))


def failed(wanted: Wanted, said: str) -> Unavailable:
    """Why it could not be fetched, out of what the engine or skopeo said."""
    text = " ".join(said.split())[-300:]
    if _NO_NETWORK.search(said):
        return Unavailable(
            f"There is no network to fetch {wanted.name} from.",
            seen=text,
            remedy="connect this machine; or build an image here: image(files=…), image(name='debian')",
        )
    return Unavailable(f"{wanted.name} could not be fetched.", seen=text, remedy="check its name and digest")
