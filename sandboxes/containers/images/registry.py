"""A registry on loopback, for what happens between `push` and `pull`: Debian's docker-registry, without a way out.

A private engine's registry listens in that engine's own network namespace; for a reader's engine it listens on this
machine's loopback address, to which Docker speaks plain HTTP (dockerd(8), "Insecure registries").
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker

from sandboxes.containers.client import NO_ANSWER, Engine
from sandboxes.containers.finding import engine
from sandboxes.containers.images import pulling
from sandboxes.containers.images.image import EngineImage
from sandboxes.containers.images.stream import events
from sandboxes.containers.passage import entering
from sandboxes.errors import StartFailed, Unavailable
from sandboxes.lifecycle import Closing
from sandboxes.model import Blob, Transfer

START_S = 10.0
TRANSFER_S = 120.0
PORTS = range(5000, 5020)
QUIET_S = 0.1
NOBODY = {"X-Registry-Auth": "e30="}
"""No credentials: base64 of {}, which the Engine API wants for a push."""

_SERVED = re.compile(r'"GET /v2/\S+/(?:blobs|manifests)/(sha256:[0-9a-f]{64}) HTTP/[\d.]+" 20[06] ')


def registry() -> Registry:
    """A registry that this process's engine reaches, empty; it and its data go when it is closed, or with this process.

    Raises EngineUnavailable, Unavailable without docker-registry or with an engine in a guest, StartFailed with the end
    of its log.
    Source: OCI distribution specification.
    """
    if engine().guest is not None:
        raise Unavailable(
            "An engine in a guest reaches no registry of this machine.",
            seen="its only way out is the port at which this machine reaches it",
            remedy="another engine: ./textbook doctor says what each needs",
        )
    program = shutil.which("docker-registry")
    if program is None:
        raise Unavailable(
            "There is no registry to start.",
            seen="no docker-registry on PATH",
            remedy="apt-get install docker-registry",
        )
    return Registry(engine(), program)


class Registry(Closing):
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
        """Its process, as this machine numbers it."""
        return self._process.pid

    @property
    def _kept(self) -> Path:
        """Its own files: distribution, registry/storage/paths.go."""
        return self.folder / "data/docker/registry/v2"

    def push(self, image: str | EngineImage) -> Transfer:
        """The registry has the image; what had to travel, as its own files show it. Raises SandboxGone, StartFailed."""
        name = image.name if isinstance(image, EngineImage) else self._engine.ready_image(image)
        last, _, tag = name.partition("@")[0].rpartition("/")[2].partition(":")
        repository, tag = f"boundaries-{self._engine.owner.id}/{last}", tag or "latest"
        target = f"{self.address}/{repository}"
        with self._asking(name):
            self._engine.api.tag(name, target, tag)
            before = {blob.digest for blob in self.blobs()}
            begun = time.monotonic()
            try:
                asked = {"tag": tag, "tlsVerify": "false"}  # Docker knows that loopback is plain HTTP
                path = f"/images/{target}/push"
                self._through(name, events(self._engine.api, path, None, asked, headers=NOBODY, timeout_s=TRANSFER_S))
            finally:
                with contextlib.suppress(docker.errors.APIError):
                    self._engine.api.remove_image(f"{target}:{tag}")
        took_ms = (time.monotonic() - begun) * 1000
        digest = (self._kept / f"repositories/{repository}/_manifests/tags/{tag}/current/link").read_text()
        blobs = self._blobs_of(digest)
        moved = tuple(blob for blob in blobs if blob.digest not in before)
        skipped = tuple(blob for blob in blobs if blob.digest in before)
        return Transfer("push", f"{target}@{digest}", digest, moved, skipped, took_ms)

    def pull(self, pushed: Transfer) -> Transfer:
        """The engine has what was pushed, under the name `name`; what travelled, as the registry's log shows it.

        Raises SandboxGone, StartFailed.
        """
        before, begun = self._log(), time.monotonic()
        with self._asking(pushed.name):
            self._through(pushed.name, pulling.fetched(self._engine, pulling.checked(pushed.name), TRANSFER_S))
        took_ms = (time.monotonic() - begun) * 1000
        served = parse_served(self._quiet_log().removeprefix(before))
        blobs = self._blobs_of(pushed.digest)
        moved = tuple(blob for blob in blobs if blob.digest in served)
        return Transfer("pull", pushed.name, pushed.digest, moved, tuple(b for b in blobs if b not in moved), took_ms)

    def blobs(self) -> tuple[Blob, ...]:
        """What it keeps: every blob once, however many images share it. `media_type` is "" here."""
        found = sorted(self._kept.glob("blobs/sha256/*/*/data"))
        return tuple(Blob(f"sha256:{path.parent.name}", "", path.stat().st_size) for path in found)

    def close(self) -> None:
        """It does not run any more and its data are gone. Safe to repeat."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._engine.owner.release(self)

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
                [
                    *(entering(self._engine.pid) if self._engine.pid else []),
                    program,
                    "serve",
                    str(self.folder / "config.yml"),
                ],
                env=self._engine.owner.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )

    def _through(self, name: str, told: Iterator[dict[str, Any]]) -> None:
        for event in told:
            if "error" in event:
                raise StartFailed(
                    f"{name} did not get through.",
                    seen=str(event["error"])[-300:],
                    remedy="an engine on another machine, or in one of its own, does not reach this loopback address",
                )

    def _log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def _quiet_log(self) -> str:
        """The log, once nothing was added for QUIET_S: a request is written down after it was answered."""
        log, news = "", self._log()
        while news != log:
            time.sleep(QUIET_S)
            log, news = news, self._log()
        return log

    def _blobs_of(self, digest: str) -> tuple[Blob, ...]:
        """Manifest, configuration and layers of an image that is here: image-spec, manifest.md."""
        stored = self._kept / f"blobs/sha256/{digest[7:9]}/{digest[7:]}/data"
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


def parse_served(log: str) -> frozenset[str]:
    """Digests of what the registry has sent, out of its access log: Apache's combined format, one request a line."""
    return frozenset(_SERVED.findall(log))


def _configuration(folder: Path, address: str) -> dict[str, Any]:
    """JSON is YAML too: what the registry reads."""
    return {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": False}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": address},
    }


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
