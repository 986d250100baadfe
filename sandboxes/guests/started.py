"""A guest of any kind is started: from its template, or by booting it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from sandboxes.errors import StartFailed
from sandboxes.guests import template_cache
from sandboxes.guests.course import Course, traced
from sandboxes.guests.emulator import Emulator
from sandboxes.guests.exchange import ChannelLost, Overdue
from sandboxes.guests.kernels import Say
from sandboxes.guests.machine import Machine
from sandboxes.guests.monitor import Monitor, MonitorLost
from sandboxes.guests.sandbox import GuestSandbox
from sandboxes.guests.system import System
from sandboxes.guests.template import Template
from sandboxes.guests.template_build import built, not_started
from sandboxes.guests.template_restore import NotRestored, restored
from sandboxes.model import Accelerator

BLUEPRINT = "template"
"""The name of a guest that becomes a template: what goes on from it is told its own."""

Systems = Callable[[Machine], System]
Made = TypeVar("Made", bound=GuestSandbox)


def started(
    kind: type[Made],
    machine: Machine,
    how: Accelerator,
    system: Systems,
    *,
    cold: bool,
    say: Say,
    lasting: bool = False,
) -> Made:
    """The guest answers. `system` says what runs in a machine; a kind of guest is no more than that and a machine.

    `lasting`: its template stays in the cache however many others come. Raises StartFailed; nothing is left then.
    """
    return _booted(kind, machine, how, system) if cold else _restored(kind, machine, how, system, say, lasting)


def prepared(machine: Machine, system: Systems, *, say: Say, lasting: bool = False) -> Template:
    """The template of such machines is in the cache, and in this process's memory. Raises StartFailed."""
    one, key = blueprint(machine, system)
    return _template(one, key, system, say, lasting)


def blueprint(machine: Machine, system: Systems) -> tuple[Machine, str]:
    """The guest that becomes the template of such machines, and the key under which that is kept."""
    one = replace(machine, name=BLUEPRINT)
    return one, template_cache.key_of(one, system(one))


def _booted(kind: type[Made], machine: Machine, how: Accelerator, system: Systems) -> Made:
    begun = time.monotonic()
    what = system(machine)
    emulator = Emulator(machine, what)
    try:
        boot_ms = emulator.boot(what.boot_s)
        if boot_ms is None:
            raise not_started(machine, f"it did not answer within {what.boot_s:g} s", emulator)
        start_ms = (time.monotonic() - begun) * 1000
        monitor = Monitor(emulator.monitor_end)
        word = "stock" if machine.stock else "cold"
        course = traced(emulator, boot_ms) if machine.trace else None
        return kind(machine, how, emulator, monitor, started=word, boot_ms=boot_ms, start_ms=start_ms, course=course)
    except (ChannelLost, MonitorLost, Overdue) as lost:
        failure = not_started(machine, emulator.ended(wait_s=2.0) or str(lost), emulator)
        emulator.close()
        raise failure from lost
    except BaseException:
        emulator.close()
        raise


def _restored(kind: type[Made], machine: Machine, how: Accelerator, system: Systems, say: Say, lasting: bool) -> Made:
    """A template that cannot be taken over is made anew, once."""
    begun = time.monotonic()
    one, key = blueprint(machine, system)
    try:
        parts = restored(machine, _template(one, key, system, say, lasting))
    except NotRestored as why:
        say(f"the template of this guest is of no use any more ({why}); making it anew")
        template_cache.forget(key)
        parts = _again(machine, _template(one, key, system, say, lasting))
    emulator, monitor, course = parts
    boot_ms, start_ms = course.stages[-1].end_ms, (time.monotonic() - begun) * 1000
    return kind(machine, how, emulator, monitor, started="template", boot_ms=boot_ms, start_ms=start_ms, course=course)


def _again(machine: Machine, fresh: Template) -> tuple[Emulator, Monitor, Course]:
    try:
        return restored(machine, fresh)
    except NotRestored as why:
        raise StartFailed(
            f"The guest {machine.name} cannot go on from a template.",
            seen=f"{why}; the template was made just now",
            remedy="use cold=True, which boots it",
        ) from why


def _template(one: Machine, key: str, system: Systems, say: Say, lasting: bool) -> Template:
    def make() -> Template:
        say(f"making a template for guests like this one, once: {what}")
        return built(one, system(one), say)

    run = system(one)
    parts = (
        run.holds,
        one.board.name,
        one.accelerator,
        f"{one.memory_bytes >> 20} MiB",
        f"{one.cpus} CPU",
        run.kernel.parent.name,
    )
    what = ", ".join(part for part in parts if part)
    return template_cache.template(key, what, make, say, lasting=lasting)
