"""A guest that goes on from a template as somebody else: with its own name, machine id, random numbers, and time."""

from __future__ import annotations

import os
import secrets
import time

from sandboxes.guests.course import Course, Stopwatch
from sandboxes.guests.emulator import Emulator
from sandboxes.guests.exchange import ChannelLost, Overdue
from sandboxes.guests.machine import Machine
from sandboxes.guests.monitor import Monitor, MonitorLost
from sandboxes.guests.template import Template

SEED_BYTES = 32
"""As many as the kernel's own pool of randomness keeps (random(4)); the serial port takes 0.1 ms for each."""


class NotRestored(Exception):
    """QEMU or the guest did not take it; the text says why."""


def restored(machine: Machine, template: Template) -> tuple[Emulator, Monitor, Course]:
    """The guest answers, and how it came to that. Raises NotRestored; nothing is left then."""
    emulator = Emulator(machine, None, memory=template.memory)
    watch = Stopwatch(emulator.qemu.spawned_s)
    try:
        monitor = _taken_over(emulator, template, machine.name, watch)
        return emulator, monitor, watch.course
    except (ChannelLost, MonitorLost, Overdue) as lost:
        why = emulator.ended(wait_s=2.0) or str(lost) or "its agent did not answer"
        emulator.close()
        raise NotRestored(why) from lost
    except BaseException:
        emulator.close()
        raise


def identify(emulator: Emulator, name: str) -> None:
    """Raises ChannelLost, Overdue, Unavailable."""
    emulator.channel.identify(name, secrets.token_hex(16), secrets.token_bytes(SEED_BYTES), time.time_ns())


def _taken_over(emulator: Emulator, template: Template, name: str, watch: Stopwatch) -> Monitor:
    monitor = Monitor(emulator.monitor_end)
    watch.lap("QEMU process")
    try:
        devices = template.devices_from_the_start()
        try:
            monitor.restore_devices(devices)
        finally:
            os.close(devices)
        watch.lap("state restored")
        identify(emulator, name)
        watch.lap("identity and first answer")
        return monitor
    except BaseException:
        monitor.close()
        raise
