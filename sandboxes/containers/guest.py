"""An engine in a virtual machine of our own: dockerd in a guest that goes on from a template, at a port of loopback.

It needs neither root nor Docker nor KVM, and no right that an unprivileged container lacks. Its template is made once,
on purpose (`./textbook engine`); without one this tier is not here.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker

from sandboxes import model
from sandboxes.containers.abilities import KernelOffer
from sandboxes.containers.client import NO_ANSWER, Engine
from sandboxes.containers.endpoints import Endpoint
from sandboxes.containers.runtime import crun_wrapper
from sandboxes.errors import EngineUnavailable, StartFailed, Unavailable
from sandboxes.guests.engine.image import HOSTS
from sandboxes.guests.engine.sandbox import HERE
from sandboxes.guests.engine.start import REMEDY, engine_guest, forget_engine, found_engine, prepare_engine
from sandboxes.guests.parts import Say
from sandboxes.lifecycle import Owner, cache_folder, owner
from sandboxes.lifecycle.cache import put
from sandboxes.limits import Room

ORIGIN = "guest"
START_S = 60.0
"""The engine is up in the template; its first answer takes a second or two, on a busy machine many more."""

OPEN = f"every user of this machine can use it at its port of {HERE}"
OFFER = "cat /sys/fs/cgroup/cgroup.controllers; ls /sys/fs/cgroup/cpu.pressure 2>/dev/null; true"
"""Shell text; parse_offer reads what it prints."""
CRUN = crun_wrapper("/usr/bin/crun").encode()


class GuestEngine:
    """A running guest with an engine that answers at `endpoint`; `api` is a client of it. Raises as engine_guest()."""

    origin = ORIGIN
    pid = None
    folder = None
    probe_s = 20
    """An emulated engine on a busy machine answers late."""

    def __init__(self) -> None:
        self.guest = engine_guest(CRUN, say=_say)
        try:
            self.endpoint = Endpoint(f"tcp://{HERE}:{self.guest.forward()}", ORIGIN)
            self.api = self._ready()
            self._kernel = parse_offer(self.guest.run(OFFER).stdout)
        except BaseException:
            self.close()
            raise

    @property
    def promise(self) -> str:
        """What an accelerator promises, and who can reach the engine."""
        return "; ".join(filter(None, [self.guest.accelerator.promise, OPEN]))

    @property
    def room(self) -> Room:
        """What the guest has for all containers."""
        return self.guest.room

    def offer(self) -> KernelOffer:
        """What the guest's kernel has for containers."""
        return self._kernel

    def hosts(self) -> str:
        """In the guest; asking the engine's network code would cost seconds of emulation (see dockerd.py)."""
        return HOSTS

    def alive(self) -> bool:
        """QEMU runs."""
        return not self.guest.ended()

    def host_config(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """As it is."""
        return dict(wanted)

    def close(self) -> None:
        """The guest and all in it are gone. Safe to repeat."""
        self.guest.close()

    def _ready(self) -> docker.APIClient:
        begun = time.monotonic()
        while True:
            try:
                return self.endpoint.connect_here(int(START_S))
            except (docker.errors.DockerException, *NO_ANSWER, OSError) as error:
                waited_s = time.monotonic() - begun
                if waited_s > START_S or self.guest.ended():
                    raise StartFailed(
                        "The container engine in a guest did not come up.",
                        seen=f"{type(error).__name__} for {waited_s:.0f} s; {self.guest.last_words()}",
                        remedy=f"make its template anew: delete that of ./textbook doctor, then {REMEDY}",
                    ) from error
                time.sleep(0.05)


def look() -> model.Engine:
    """What it was when its template was made and tried; starts nothing. Raises EngineUnavailable."""
    known, facts = _kept()
    if facts is None:
        raise _not_here("it was never made and tried on this machine")
    if _key() != known:
        raise _not_here(
            "what it was made from has changed since: QEMU, a kernel, a program, the accelerator or the book"
        )
    return facts


def open_engine(mine: Owner, folder: Path) -> Engine:
    """It runs. Raises EngineUnavailable before anything starts, StartFailed."""
    look()
    return _opened(mine)


def prepare(say: Say) -> tuple[model.Engine, int]:
    """The template is in the cache and an engine went on from it and answered: its facts, and its bytes on disk.

    Raises Unavailable when a part cannot be had, StartFailed. `say` hears each slow step.
    """
    earlier, made = _kept()[0], prepare_engine(CRUN, say)
    say("trying it: a guest goes on from the template, and its engine says what it can do")
    engine = _opened(owner())
    try:
        facts = engine.facts()
    finally:
        engine.close()
    note = {"key": made.key, "engine": dataclasses.asdict(facts)}
    put(_note(), json.dumps(note, indent=1).encode())
    if earlier not in ("", made.key):
        forget_engine(earlier)
    return facts, made.size_bytes


def parse_offer(said: str) -> KernelOffer:
    """What OFFER prints. A guest has no disk on which input and output could be limited."""
    words = said.split()
    controllers = {word for word in words if "/" not in word} - {"io"} | {"freezer"}
    return KernelOffer("v2", frozenset(controllers), any(word.endswith("cpu.pressure") for word in words))


def _opened(mine: Owner) -> Engine:
    process = GuestEngine()
    return Engine(process.api, process.endpoint, mine, process)


def _kept() -> tuple[str, model.Engine | None]:
    """The key of the template that was tried last, and what its engine said."""
    try:
        kept = json.loads(_note().read_text())
        key = str(kept["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", None
    try:
        return key, model.Engine(**kept["engine"])
    except (KeyError, TypeError):  # of another edition of the book
        return key, None


def _key() -> str:
    try:
        return found_engine(CRUN).key
    except EngineUnavailable:
        raise
    except Unavailable as error:
        raise EngineUnavailable(error.what, seen=error.seen, remedy=error.remedy) from error
    except OSError as error:
        raise _not_here(f"the cache cannot be used: {error.strerror}") from error


def _not_here(seen: str) -> EngineUnavailable:
    return EngineUnavailable("There is no engine in a guest yet.", seen=seen, remedy=REMEDY)


def _note() -> Path:
    return cache_folder() / "guest-engine.json"


def _say(line: str) -> None:
    """Only what takes long is told: a template that had to be made anew."""
    print(line, file=sys.stderr, flush=True)
