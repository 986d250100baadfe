"""The engine of this process: the first tier that has one, opened when first needed.

The tiers, best first: the reader's own engine, a private one, the same without privileges, a Podman service, an engine
in a guest.
"""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path
from typing import Protocol

from sandboxes import model, request
from sandboxes.busybox import LABEL
from sandboxes.containers import guest, podman, private, reader, rootless
from sandboxes.containers.client import Engine
from sandboxes.containers.launch import found_programs, said
from sandboxes.errors import EngineUnavailable
from sandboxes.lifecycle import Owner, owner

CHOICE = "BOUNDARIES_ENGINE"
"""Environment variable: the one tier to use, by the name of its origin."""
PROBE_S = 5.0


class Tier(Protocol):
    """A way to an engine; each is a module."""

    ORIGIN: str

    def look(self) -> model.Engine:
        """What it would be, found out without starting it (but see runtime.py). Raises EngineUnavailable: why not."""

    def open_engine(self, mine: Owner, folder: Path) -> Engine:
        """It answers. Raises EngineUnavailable before anything starts, StartFailed when it does not come up."""


TIERS: tuple[Tier, ...] = (reader, private, rootless, podman, guest)

_current: Engine | None = None
_lock = threading.RLock()
_numbers = itertools.count(1)


def engine() -> Engine:
    """The engine of this process: found or started at the first call, and again when it has died.

    Raises EngineUnavailable within 2 s when there is none, Unavailable when the one that is used does not answer in
    time, StartFailed when one does not come up, BadRequest when BOUNDARIES_ENGINE names no tier.
    """
    global _current
    with _lock:
        tiers, mine = asked(), owner()
        if _current is not None and (_current.owner is not mine or not _current.alive()):
            _discard(_current, mine)
            _current = None
        if _current is None:
            _current = _open(tiers, mine)
            mine.adopt(_current)
        return _current


def find_engine() -> model.Engine:
    """What engine() would use, found out without starting it. Raises as engine(), but for StartFailed."""
    with _lock:
        if _current is not None and not _current.owner.closed and _current.alive():
            return _current.facts()
    refused = []
    for tier in asked():
        try:
            return tier.look()
        except EngineUnavailable as error:
            refused.append((tier.ORIGIN, error))
    raise _none(refused)


def find_tiers() -> tuple[model.Tier, ...]:
    """Every tier, best first, with what it is or would be, or why it is not to be had; "bare" is the last.

    Raises BadRequest when BOUNDARIES_ENGINE names no tier.
    """
    found: list[model.Tier] = []
    chosen = {tier.ORIGIN for tier in asked()}
    for tier in TIERS:
        free = tier.ORIGIN in chosen and not any(one.state == "chosen" for one in found)
        try:
            found.append(model.Tier(tier.ORIGIN, "chosen" if free else "possible", tier.look()))
        except EngineUnavailable as error:
            found.append(model.Tier(tier.ORIGIN, "not here", None, error.seen, error.remedy))
    return (*found, _bare(any(one.state == "chosen" for one in found)))


def asked() -> tuple[Tier, ...]:
    """Those that may be used: the one that BOUNDARIES_ENGINE names, else all. Raises BadRequest."""
    named = os.environ.get(CHOICE)
    if not named:
        return TIERS
    request.one_of(CHOICE, named, [tier.ORIGIN for tier in TIERS])
    return tuple(tier for tier in TIERS if named == tier.ORIGIN)


def remove_images() -> int:
    """Afterwards the reader's own engine, when one answers, has none of this book's images; how many it had."""
    try:
        api = reader.connect()
    except EngineUnavailable:
        return 0
    try:
        images = api.images(filters={"label": LABEL})
        for entry in sorted(
            images, key=lambda entry: -int(entry["Created"])
        ):  # built ones go before what they build on
            api.remove_image(entry["Id"], force=True)
        return len(images)
    finally:
        api.close()


def _open(tiers: tuple[Tier, ...], mine: Owner) -> Engine:
    refused = []
    for tier in tiers:
        try:
            return tier.open_engine(mine, mine.folder / f"engine{next(_numbers)}")
        except EngineUnavailable as error:
            refused.append((tier.ORIGIN, error))
    raise _none(refused)


def _none(refused: list[tuple[str, EngineUnavailable]]) -> EngineUnavailable:
    """One error of those of all tiers."""
    words = "; ".join(f"{origin}: {error.seen}" for origin, error in refused)
    bare = _bare(False)
    also = "; without any engine `sb.bare` works here: namespaces can be made" if bare.state == "chosen" else ""
    remedies = dict.fromkeys(error.remedy for _, error in refused)
    return EngineUnavailable(
        "No container engine answers, and none can be started here.", seen=words, remedy="; or ".join(remedies) + also
    )


def _bare(engine: bool) -> model.Tier:
    """Namespaces without an engine: this user may make them, tried out (unshare(1))."""
    words = ["--mount", "--pid", "--fork"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    programs = found_programs("unshare", "true")
    if len(programs) < 2:
        return model.Tier("bare", "not here", None, "not installed: unshare", "apt-get install util-linux")
    trial = [programs["unshare"], *words, programs["true"]]
    try:
        done = said(trial, PROBE_S)
    except EngineUnavailable as late:
        return model.Tier("bare", "not here", None, late.seen, late.remedy)
    if done.returncode:
        remedy = "allow user namespaces (sysctl user.max_user_namespaces), or run the book as root"
        return model.Tier("bare", "not here", None, done.stderr.strip(), remedy)
    return model.Tier("bare", "possible" if engine else "chosen", None, "namespaces by hand, with sb.bare")


def _forked() -> None:
    """A child of fork(2) does not keep its parent's lock held; the engine stays with its owner."""
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_forked)


def _discard(dead: Engine, mine: Owner) -> None:
    """An engine inherited by fork(2) stays with its owner; ours is removed with what it held."""
    if dead.owner is not mine:
        return
    mine.release(dead)
    dead.close()
