"""A registry on loopback, for what happens between `push` and `pull`: Debian's docker-registry, without a way out.

A private engine's registry listens in that engine's own network namespace; for a reader's engine it listens on this
machine's loopback address, to which Docker speaks plain HTTP (dockerd(8), "Insecure registries").
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import docker

from sandboxes.containers.client import NO_ANSWER, Engine
from sandboxes.containers.finding import engine
from sandboxes.containers.images.image import EngineImage
from sandboxes.containers.images.stream import events
from sandboxes.errors import StartFailed, Unavailable
from sandboxes.model import Blob, Transfer

START_S = 10.0
TRANSFER_S = 120.0
PORTS = range(5000, 5020)
NOBODY = {"X-Registry-Auth": "e30="}
"""No credentials: base64 of {}, which the Engine API wants for a push."""


def registry() -> Registry:
    """A registry that this process's engine reaches, empty; it and its data go when it is closed, or with this process.

    Raises EngineUnavailable, Unavailable without docker-registry, StartFailed with the end of its log.
    """
    program = shutil.which("docker-registry")
    if program is None:
        raise Unavailable(
            "There is no registry to start.",
            seen="no docker-registry on PATH",
            remedy="apt-get install docker-registry",
        )
    return Registry(engine(), program)


class Registry:
    """A running registry. `address` is how the engine calls it: "127.0.0.1:5000"."""

    def __init__(self, engine: Engine, program: str) -> None:
        self._engine = engine
        self.folder = Path(tempfile.mkdtemp(prefix="registry-", dir=engine.owner.folder))
        try:
            self.address, self._process = self._start(program)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        engine.owner.adopt(self)

    @property
    def pid(self) -> int:
        return self._process.pid

    def push(self, image: str | EngineImage) -> Transfer:
        """The registry has the image; what had to travel, as its own files show it. Raises SandboxGone, StartFailed."""
        name = image.name if isinstance(image, EngineImage) else self._engine.ready_image(image)
        repository, _, tag = name.rpartition("/")[2].partition(":")
        target = f"{self.address}/boundaries-{self._engine.owner.id}/{repository}"
        with self._asking(name):
            self._engine.api.tag(name, target, tag or "latest")
            before = {blob.digest for blob in self.blobs()}
            begun = time.monotonic()
            try:
                told = list(self._events(f"/images/{target}/push", {"tag": tag or "latest"}, name))
            finally:
                with contextlib.suppress(docker.errors.APIError):
                    self._engine.api.remove_image(f"{target}:{tag or 'latest'}")
        took_ms = (time.monotonic() - begun) * 1000
        digest = next(str(event["aux"]["Digest"]) for event in told if "Digest" in event.get("aux", {}))
        blobs = self._blobs_of(digest)
        moved = tuple(blob for blob in blobs if blob.digest not in before)
        skipped = tuple(blob for blob in blobs if blob.digest in before)
        return Transfer("push", f"{target}@{digest}", digest, moved, skipped, took_ms)

    def pull(self, pushed: Transfer) -> Transfer:
        """The engine has what was pushed, under the name `name` of the answer; what travelled, as the engine tells it.

        Raises SandboxGone, StartFailed.
        """
        repository = pushed.name.partition("@")[0]
        begun = time.monotonic()
        with self._asking(pushed.name):
            asked = {"fromImage": repository, "tag": pushed.digest}
            told = list(self._events("/images/create", asked, pushed.name))
        took_ms = (time.monotonic() - begun) * 1000
        moved, skipped = parse_pull(told, self._blobs_of(pushed.digest))
        return Transfer("pull", pushed.name, pushed.digest, moved, skipped, took_ms)

    def blobs(self) -> tuple[Blob, ...]:
        """What it keeps: every blob once, however many images share it. `media_type` is "" here."""
        found = sorted(self.folder.glob("data/docker/registry/v2/blobs/sha256/*/*/data"))
        return tuple(Blob(f"sha256:{path.parent.name}", "", path.stat().st_size) for path in found)

    def close(self) -> None:
        """It does not run any more and its data are gone. Safe to repeat."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._engine.owner.release(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<registry {self.address}, {len(self.blobs())} blobs>"

    def _start(self, program: str) -> tuple[str, subprocess.Popen[bytes]]:
        for port in PORTS:
            address = f"127.0.0.1:{port}"
            (self.folder / "config.yml").write_text(json.dumps(_configuration(self.folder, address)))
            process = self._launched(program)
            log = _log_of_start(process, self.folder / "log")
            if process.poll() is None:
                return address, process
            if "address already in use" not in log:
                break
        raise StartFailed(
            "The registry did not start.",
            seen=f"the end of its log:\n{log[-600:]}",
            remedy="./textbook doctor; try again",
        )

    def _launched(self, program: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen(
                [*_beside(self._engine), program, "serve", str(self.folder / "config.yml")],
                env=self._engine.owner.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )

    def _events(self, path: str, query: dict[str, str], name: str) -> Iterator[dict[str, Any]]:
        for event in events(self._engine.api, path, None, query, headers=NOBODY, timeout_s=TRANSFER_S):
            if "error" in event:
                raise StartFailed(
                    f"{name} did not get through.",
                    seen=str(event["error"])[-300:],
                    remedy="an engine on another machine, or in one of its own, does not reach this loopback address",
                )
            yield event

    def _blobs_of(self, digest: str) -> tuple[Blob, ...]:
        """Manifest, configuration and layers of an image that is here: image-spec, manifest.md."""
        stored = self.folder / f"data/docker/registry/v2/blobs/sha256/{digest[7:9]}/{digest[7:]}/data"
        manifest = json.loads(stored.read_bytes())
        described = [manifest["config"], *manifest["layers"]]
        first = Blob(digest, str(manifest["mediaType"]), stored.stat().st_size)
        return (first, *(Blob(str(d["digest"]), str(d["mediaType"]), int(d["size"])) for d in described))

    @contextlib.contextmanager
    def _asking(self, name: str) -> Iterator[None]:
        try:
            yield
        except docker.errors.APIError as error:
            raise StartFailed(
                f"The engine cannot send or get {name}.", seen=str(error.explanation), remedy="build it again"
            ) from error
        except NO_ANSWER as error:
            raise self._engine.gone(error) from error


def parse_pull(told: Sequence[Mapping[str, Any]], blobs: Sequence[Blob]) -> tuple[tuple[Blob, ...], tuple[Blob, ...]]:
    """Which blobs of an image travelled, and which were there, out of what the engine told of a pull.

    It names layers by the first 12 digits, and says of a whole image that it is up to date.
    """
    status = [(str(event.get("id", "")), str(event.get("status", ""))) for event in told]
    if not any(words.startswith("Status: Downloaded") for _, words in status):
        return (), tuple(blobs)
    there = {name for name, words in status if words == "Already exists"}
    skipped = tuple(blob for blob in blobs if blob.digest[7:19] in there)
    return tuple(blob for blob in blobs if blob not in skipped), skipped


def _configuration(folder: Path, address: str) -> dict[str, Any]:
    """JSON is YAML too: what the registry reads."""
    return {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": address},
    }


def _beside(engine: Engine) -> list[str]:
    """Words that start a program in a private engine's network; none for the reader's own engine.

    `Engine.pid` is unshare(1), which stayed outside; its child is the first process inside.
    """
    if engine.pid is None:
        return []
    inside = Path(f"/proc/{engine.pid}/task/{engine.pid}/children").read_text().split()[0]
    user = ["--user", "--preserve-credentials"] if os.geteuid() != 0 else []
    return ["nsenter", "--target", inside, *user, "--net", "--"]


def _log_of_start(process: subprocess.Popen[bytes], path: Path) -> str:
    """Until it listens or has ended."""
    until = time.monotonic() + START_S
    log = ""
    while "listening on" not in log and process.poll() is None:
        if time.monotonic() > until:
            process.kill()
            process.wait()
        time.sleep(0.01)
        log = path.read_text(errors="replace")
    return log
