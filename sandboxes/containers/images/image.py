"""`image(…)`: an image in the engine, built, found, fetched or loaded, and what can be done with it."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import docker

from sandboxes import model, request
from sandboxes.containers.client import NO_ANSWER, Engine
from sandboxes.containers.finding import engine
from sandboxes.containers.images import archive, context, instructions, layers, layout, pulling
from sandboxes.containers.images.build import build
from sandboxes.errors import BadRequest, SandboxGone, StartFailed
from sandboxes.lifecycle import Closing

LONGEST_BUILD_S = 3600.0
FILES_ALONE = "FROM busybox\nCOPY . /\n"
_TAG = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,29})?")


class EngineImage(Closing):
    """An image in the engine. `name` is its name there, `id` the sha256 of its configuration.

    `steps` and `build_ms` tell how it was built; without steps it was not built here. It goes with this process.
    """

    def __init__(
        self, engine: Engine, name: str, steps: tuple[model.BuildStep, ...] = (), build_ms: float | None = None
    ) -> None:
        self._engine, self.name, self.steps, self.build_ms = engine, name, steps, build_ms
        with self._asking():
            seen = engine.api.inspect_image(name)  # type: ignore[no-untyped-call]
        self.id: str = seen["Id"] if ":" in seen["Id"] else f"sha256:{seen['Id']}"
        self.architecture, self.size_bytes = str(seen["Architecture"]), int(seen["Size"])
        self._contents: model.ImageContents | None = None

    def contents(self) -> model.ImageContents:
        """Its layers with every path in them, read from what the engine saves: about 1 s for 100 MB, once.

        Raises SandboxGone when the engine does not have it any more.
        """
        if self._contents is None:
            with self._asking(), archive.saved(self._engine.api, self.name) as saved:
                self._contents = layers.contents(saved)
        return self._contents

    def layers(self) -> tuple[model.Layer, ...]:
        """Its layers, the lowest first. Raises as contents() does."""
        return self.contents().layers

    def system_parts(self) -> model.SystemParts:
        """Which of its paths would make it an operating system: kernels, modules, inits, boot loaders."""
        return layers.system_parts(self.contents().origins)

    def save(self, folder: str | Path) -> model.ImageLayout:
        """`folder`, new or empty, is an OCI image layout of it; image(load=folder) brings it back with the same id.

        Raises BadRequest, SandboxGone.
        """
        with self._asking(), archive.saved(self._engine.api, self.name) as saved:
            return layout.save(saved, Path(folder), self.name)

    def close(self) -> None:
        """What was made for this process is not in the engine any more, except layers that another image has.

        An image of the book, or one that was there before, stays. Safe to repeat.
        """
        if f"{_prefix(self._engine)}/" not in self.name:
            return
        with contextlib.suppress(docker.errors.APIError, *NO_ANSWER):
            self._engine.api.remove_image(self.name)

    def __repr__(self) -> str:
        return f"<image {self.name}, {self.id[7:19]}, {self.size_bytes:,} bytes, {self.architecture}>"

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            with _refusals(self._engine):
                yield
        except StartFailed as error:
            if not isinstance(error.__cause__, docker.errors.NotFound):
                raise
            raise SandboxGone(
                f"The engine has no image {self.name} any more.", seen=error.seen, remedy="build it again"
            ) from error


def image(
    dockerfile: str | None = None,
    *,
    files: Mapping[str, str | bytes] | None = None,
    tag: str | None = None,
    name: str | None = None,
    pull: str | None = None,
    load: str | Path | None = None,
    timeout_s: float = 120.0,
) -> EngineImage:
    """An image in the engine, for container(image=…). It is removed when this process ends, unless it was there before.

    `dockerfile` is text; FROM takes the book's "busybox" and "debian", or an image that the engine has. `files` maps
    relative paths to their content; alone they are copied into the root of the book's busybox. What RUN starts has no
    network, and half a GiB of memory and one processor where the engine enforces limits; ADD takes no URL, which the
    engine would fetch by itself. `tag` names the result, such as "web:v2".

    `name` is an image that is there already, or one of the book's. `pull` fetches "name@sha256:…" from a registry, only
    by digest and within 10 s. `load` is a folder with an OCI image layout.

    Raises BadRequest before anything starts; BuildFailed with the failing step and the end of its output; RunTimeout;
    StartFailed, EngineUnavailable; Unavailable when there is no network to pull from.
    Source: Docker Engine API, "Build an image"; OCI image specification, image-layout.md.
    """
    asked = {"dockerfile": dockerfile or files, "name": name, "pull": pull, "load": load}
    given = sorted(field for field, value in asked.items() if value is not None)
    if len(given) != 1:
        raise BadRequest(
            "dockerfile",
            "one source of the image is needed.",
            seen=", ".join(given) or "none",
            remedy="one of dockerfile= (with files=), files=, name=, pull=, load=",
        )
    timeout_s = request.number("timeout_s", timeout_s, least=0.1, most=LONGEST_BUILD_S)
    label = _tag(tag)
    if load is not None:
        return _loaded(layout.read(Path(load)), label)
    if pull is not None:
        return _pulled(pulling.checked(pull))
    if name is not None:
        return _found(name)
    return _built(instructions.checked(dockerfile or FILES_ALONE), context.checked(files or {}), label, timeout_s)


def _built(text: str, files: Mapping[str, bytes], tag: str | None, timeout_s: float) -> EngineImage:
    chosen = engine()
    content = hashlib.sha256(context.packed({**files, "": text.encode()})).hexdigest()
    name = _name(chosen, tag or _own(f"built-{content[:12]}"))
    with _refusals(chosen):
        steps, took_ms = build(chosen, text, files, name, timeout_s)
    return EngineImage(chosen, name, steps, took_ms)


def _loaded(described: model.ImageLayout, tag: str | None) -> EngineImage:
    chosen = engine()
    name = _name(chosen, tag or _own(f"loaded-{described.blobs[1].digest[7:19]}"))
    with _refusals(chosen):
        layout.load(chosen.api, described, name)
    return EngineImage(chosen, name)


def _pulled(wanted: pulling.Wanted) -> EngineImage:
    chosen = engine()
    with _refusals(chosen):
        return EngineImage(chosen, pulling.pull(chosen, wanted))


def _found(name: str) -> EngineImage:
    chosen = engine()
    with _refusals(chosen):
        return EngineImage(chosen, chosen.ready_image(name))


def _name(chosen: Engine, tag: str) -> str:
    """Every owner has its own names, by which its images are found again when it has died."""
    return f"{_prefix(chosen)}/{tag if ':' in tag else f'{tag}:latest'}"


def _own(content: str) -> str:
    """Two images of equal content are two names: what closes one leaves the other."""
    return f"{content}-{secrets.token_hex(2)}"


def _prefix(chosen: Engine) -> str:
    return f"boundaries-{chosen.owner.id}"


def _tag(tag: str | None) -> str | None:
    if tag is None or (isinstance(tag, str) and len(tag) <= 80 and _TAG.fullmatch(tag)):
        return tag
    raise BadRequest(
        "tag",
        "is not a name for an image.",
        seen=repr(tag)[:80],
        remedy='small letters, digits, . _ - and a version if you like: "web:v2"',
    )


@contextlib.contextmanager
def _refusals(chosen: Engine) -> Iterator[None]:
    try:
        yield
    except docker.errors.APIError as error:
        raise StartFailed(
            "The engine refused.", seen=str(error.explanation)[-500:], remedy="./textbook doctor; then try it again"
        ) from error
    except NO_ANSWER as error:
        raise chosen.gone(error) from error
