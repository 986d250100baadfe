"""The engine of this process: the reader's own when one answers, else a private one, started when first needed."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import docker

from sandboxes import model
from sandboxes.containers import private, runtime
from sandboxes.containers.abilities import kernel_offer, of_private, parse_facts
from sandboxes.containers.client import NO_ANSWER, Engine
from sandboxes.containers.endpoints import PROBE_S, Endpoint, endpoints
from sandboxes.containers.images.busybox import LABEL
from sandboxes.containers.private import PrivateEngine
from sandboxes.errors import EngineUnavailable
from sandboxes.lifecycle import Owner, owner
from sandboxes.lifecycle.guard import remove_cgroups

T = TypeVar("T")

_current: Engine | None = None
_lock = threading.RLock()
_numbers = itertools.count(1)


def engine() -> Engine:
    """The engine of this process: found or started at the first call, and again when it has died.

    Raises EngineUnavailable within 2 s when there is none, StartFailed when a private one does not come up.
    """
    global _current
    with _lock:
        mine = owner()
        if _current is not None and (_current.owner is not mine or not _current.alive()):
            _discard(_current, mine)
            _current = None
        if _current is None:
            _current = _open(mine)
            mine.adopt(_current)
        return _current


def find_engine() -> model.Engine:
    """What engine() would use, found out without starting anything; a private one is described as it would be.

    Raises EngineUnavailable.
    """
    with _lock:
        if _current is not None and not _current.owner.closed and _current.alive():
            return _current.facts()
    found = readers_engine()
    if isinstance(found, tuple):
        api, _ = found
        try:
            return parse_facts(api.version(), api.info(), "reader", kernel_offer())
        finally:
            api.close()
    chosen = runtime.chosen_runtime(_telling(found, private.programs))
    return of_private(private.version(), chosen, kernel_offer())


def readers_engine() -> tuple[docker.APIClient, Endpoint] | list[str]:
    """The first engine that answers; else what was tried, in words."""
    tried = []
    for endpoint in endpoints():
        try:
            return endpoint.connect(PROBE_S), endpoint
        except (docker.errors.DockerException, *NO_ANSWER, OSError) as error:
            tried.append(f"{endpoint.source} ({endpoint.url}) does not answer: {type(error).__name__}")
    return tried


def remove_images() -> int:
    """Afterwards the reader's own engine, when one answers, has none of this book's images; how many it had."""
    found = readers_engine()
    if isinstance(found, list):
        return 0
    api, _ = found
    try:
        images = api.images(filters={"label": LABEL})
        for entry in sorted(
            images, key=lambda entry: -int(entry["Created"])
        ):  # built ones go before what they build on
            api.remove_image(entry["Id"], force=True)
        return len(images)
    finally:
        api.close()


def _open(mine: Owner) -> Engine:
    found = readers_engine()
    if isinstance(found, tuple):
        return Engine(*found, mine, None)
    _telling(found, private.programs)
    folder = mine.folder / f"engine{next(_numbers)}"
    process = PrivateEngine(folder, f"/boundaries-{mine.id}", mine.environment())
    return Engine(process.api, process.endpoint, mine, process)


def _telling(tried: Sequence[str], look: Callable[[], T]) -> T:
    """What `look` returns; when nothing can be started, its error also tells which engines were tried."""
    try:
        return look()
    except EngineUnavailable as error:
        raise EngineUnavailable(error.what, seen="; ".join([error.seen, *tried]), remedy=error.remedy) from error


def _discard(dead: Engine, mine: Owner) -> None:
    """An engine inherited by fork(2) stays with its owner; ours is removed with what it held."""
    if dead.owner is not mine:
        return
    mine.release(dead)
    dead.close()
    if dead.origin == "private":
        remove_cgroups(mine.id)
