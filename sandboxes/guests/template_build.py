"""How a template is made: a guest boots, is used a little, and what it is then is saved."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from sandboxes.errors import StartFailed
from sandboxes.guests.emulator import Emulator
from sandboxes.guests.exchange import ChannelLost, Overdue, Request
from sandboxes.guests.kernels import Say
from sandboxes.guests.machine import Machine
from sandboxes.guests.monitor import Monitor, MonitorLost
from sandboxes.guests.system import System, Warming
from sandboxes.guests.template import Template, blank
from sandboxes.output import Output

WARM_S = SAVE_S = 20.0
SETTLE_S = 0.2
"""After its last answer the agent makes a child for the next command, and the guest falls idle, in milliseconds."""

WARMING = ("true", "echo warm; ls -l / /proc/1/ns; uname -a; cat /etc/passwd; ps; grep MemTotal /proc/meminfo")
"""What readers do first is then in the guest's page cache. Its boot id must not be read: it is drawn when it is."""


def built(machine: Machine, system: System, say: Say) -> Template:
    """Such a guest was booted and is gone again; `say` hears what it waits for. Raises StartFailed."""
    memory, devices = blank(machine.memory_bytes), blank()
    try:
        _boot_and_save(machine, system, memory, devices, say)
    except BaseException:
        os.close(memory)
        os.close(devices)
        raise
    return Template(memory, devices)


def _boot_and_save(machine: Machine, system: System, memory: int, devices: int, say: Say) -> None:
    emulator = Emulator(machine, system, memory=memory, shared=True)
    try:
        if emulator.boot(system.boot_s) is None:
            raise not_started(machine, f"it did not answer within {system.boot_s:g} s", emulator)
        for command in WARMING:
            emulator.channel.run(Request(("sh", "-c", command)), WARM_S, Output())
        for step in system.warming:
            say(step.what)
            _warm(machine, emulator, step)
        time.sleep(SETTLE_S)
        _save(emulator, devices)
    except (ChannelLost, MonitorLost, Overdue) as lost:
        raise not_started(machine, emulator.ended(wait_s=2.0) or str(lost), emulator) from lost
    finally:
        emulator.close()


def _warm(machine: Machine, emulator: Emulator, step: Warming) -> None:
    said = Output()
    status = emulator.channel.run(Request(("sh", "-c", step.command)), step.limit_s, said)
    if status:
        last = (said.stderr or said.stdout).strip()[-300:]
        raise not_started(machine, f"{step.what}: it ended with status {status}: {last}", emulator)


def _save(emulator: Emulator, devices: int) -> None:
    """Its memory is in the shared file already; the rest goes into `devices`. Raises MonitorLost."""
    monitor = Monitor(emulator.monitor_end)
    try:
        monitor.begin_save(devices)
        _until(lambda: monitor.execute("query-migrate").get("status"), SAVE_S)
    finally:
        monitor.close()


def _until(status: Callable[[], str], limit_s: float) -> None:
    until = time.monotonic() + limit_s
    while (seen := status()) != "completed":
        if seen == "failed" or time.monotonic() > until:
            raise MonitorLost(f"its state could not be saved: {seen}")
        time.sleep(0.005)


def not_started(machine: Machine, why: str, emulator: Emulator) -> StartFailed:
    """With the last lines of its console."""
    tail = emulator.console.tail()
    return StartFailed(
        f"The guest {machine.name} did not start under {machine.accelerator}.",
        seen=f"{why}; its console ended:\n{tail}" if tail else f"{why}; nothing on its console",
        remedy="try again; if it stays so, see `./textbook doctor`",
    )
