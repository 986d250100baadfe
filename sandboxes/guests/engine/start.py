"""From nothing to a guest that is an engine: made once, on purpose; afterwards only taken from its template."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

from sandboxes import kernel as host_kernel
from sandboxes.errors import GuestUnavailable
from sandboxes.guests import template_cache
from sandboxes.guests.accelerator import choose_accelerator
from sandboxes.guests.engine.image import system
from sandboxes.guests.engine.parts import found_parts, prepare_parts
from sandboxes.guests.engine.sandbox import EngineGuest
from sandboxes.guests.kernels import Say
from sandboxes.guests.machine import Machine, found_firmware, needed_program
from sandboxes.guests.start import needed_kernel
from sandboxes.guests.started import blueprint, prepared, started
from sandboxes.guests.system import System
from sandboxes.model import Accelerator, GuestTemplate

MEMORY_BYTES = 1 << 30
"""The engine's programs take 150 MB of it and the engine itself 80; the rest is for containers and their files."""

MOST_CPUS = 2
REMEDY = "./textbook engine   (once: it fetches what an engine needs, and says how much)"

_numbers = itertools.count(1)


def prepare_engine(crun: bytes, say: Say) -> GuestTemplate:
    """The template of such guests is in the cache; `crun` is the program by which the engine calls its runtime.

    Raises Unavailable when apt cannot offer a part, GuestUnavailable, StartFailed.
    """
    prepare_parts(say)
    machine, _ = _machine()
    what = _systems(crun)
    prepared(machine, what, say=say, lasting=True)
    return found_engine(crun)


def found_engine(crun: bytes) -> GuestTemplate:
    """The template, if it is in the cache. Raises GuestUnavailable: what is missing, and how to get it."""
    if found_parts() is None:
        raise _none("its programs were never fetched")
    machine, _ = _machine()
    _, key = blueprint(machine, _systems(crun))
    found = next((one for one in template_cache.templates() if one.key == key), None)
    if found is None:
        raise _none("there is no template of it for this QEMU, kernel and accelerator")
    return found


def forget_engine(key: str) -> None:
    """A template of before is not kept any longer."""
    template_cache.forget(key)


def engine_guest(crun: bytes, say: Say) -> EngineGuest:
    """A guest whose engine answers, or will in a moment. Raises GuestUnavailable without a template, StartFailed."""
    found_engine(crun)
    machine, how = _machine()
    named = replace(machine, name=f"engine-{next(_numbers)}")
    return started(EngineGuest, named, how, _systems(crun), cold=False, say=say, lasting=True)


def _systems(crun: bytes) -> Callable[[Machine], System]:
    kernel = needed_kernel()
    return lambda machine: system(machine, kernel, crun)


def _machine() -> tuple[Machine, Accelerator]:
    """Raises GuestUnavailable on a machine that is too small, or without a part."""
    here = host_kernel.host()
    if here.memory_bytes < 2 * MEMORY_BYTES:
        raise GuestUnavailable(
            "This machine has too little memory for an engine in a guest.",
            seen=f"{here.memory_bytes >> 20} MiB, of which a guest may have half",
            remedy=f"a machine with {2 * MEMORY_BYTES >> 20} MiB or more",
        )
    needed_program()
    how = choose_accelerator(needed_kernel())
    cpus = min(MOST_CPUS, here.cpus)
    return Machine("engine", MEMORY_BYTES, cpus, network=True, accelerator=how.name, firmware=found_firmware()), how


def _none(seen: str) -> GuestUnavailable:
    return GuestUnavailable("There is no engine in a guest yet.", seen=seen, remedy=REMEDY)
