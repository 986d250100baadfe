"""How the start of a guest went: noted while it is restored, or read afterwards from what a traced boot left."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace

from sandboxes.errors import Unavailable
from sandboxes.guests.emulator import Emulator
from sandboxes.guests.exchange import Request
from sandboxes.guests.waterfall import (
    FirmwareTrace,
    boot_stages,
    marked_ms,
    on_hosts_clock,
    parse_firmware_trace,
    parse_kernel_trace,
)
from sandboxes.model import Initcall, Stage
from sandboxes.output import Output

MARKS = 3
READ_S = 20.0
SET_S = 0.02
"""More than the clock of this machine is adjusted by in the seconds of a boot."""


@dataclass(frozen=True)
class Course:
    """The stages of a start, and what the kernel called; in milliseconds since the spawn of QEMU."""

    stages: tuple[Stage, ...]
    initcalls: tuple[Initcall, ...] = ()


class Stopwatch:
    """Stages that follow each other."""

    def __init__(self, begun_s: float) -> None:
        self._begun_s = begun_s
        self._stages: list[Stage] = []

    def lap(self, name: str) -> None:
        """The stage of this name, which began with the end of the last one, ends now."""
        begin_ms = self._stages[-1].end_ms if self._stages else 0.0
        self._stages.append(Stage(name, begin_ms, (time.monotonic() - self._begun_s) * 1000))

    @property
    def course(self) -> Course:
        return Course(tuple(self._stages))


def traced(emulator: Emulator, ready_ms: float) -> Course:
    """How a traced guest booted that has just answered; it takes half a second to ask for.

    Raises Unavailable when its log or the clocks do not tell; ChannelLost, Overdue.
    """
    try:
        firmware = _firmware(emulator)
        clock_ms, log = _kernel(emulator)
        kernel = parse_kernel_trace(log)
    except ValueError as error:
        raise Unavailable("This boot left no trace.", seen=str(error), remedy="start it again") from error
    stages = boot_stages(firmware, kernel, clock_ms, ready_ms)
    return Course(stages, on_hosts_clock(kernel.initcalls, clock_ms))


def _firmware(emulator: Emulator) -> FirmwareTrace:
    """Counted from the spawn. Raises ValueError, also when this machine's clock was set meanwhile."""
    found, offset_s = parse_firmware_trace(emulator.qemu.log()), emulator.qemu.clock_s
    if abs(time.time() - time.monotonic() - offset_s) > SET_S:
        raise ValueError("this machine's clock was set while the guest booted")
    spawned_s = emulator.qemu.spawned_s + offset_s
    return replace(found, reset_s=found.reset_s - spawned_s, loaded_s=found.loaded_s - spawned_s)


def _kernel(emulator: Emulator) -> tuple[float, str]:
    """When the guest's kernel's clock was at 0, and its log.

    A line in its log goes to the console at once, so it cannot have been written after it arrived here; the least
    delay of a few such lines is the best figure.
    """
    arrived = {mark: _arrival_ms(emulator, mark) for mark in (secrets.token_hex(4) for _ in range(MARKS))}
    log = _said(emulator, "dmesg")
    return min(arrival - marked_ms(log, mark) for mark, arrival in arrived.items()), log


def _arrival_ms(emulator: Emulator, mark: str) -> float:
    _said(emulator, f"echo '<3>mark {mark}' >/dev/kmsg")
    arrived_s = emulator.console.arrived_s(mark.encode(), READ_S)
    if arrived_s is None:
        raise ValueError("a line of the kernel's log did not get to the console")
    return (arrived_s - emulator.qemu.spawned_s) * 1000


def _said(emulator: Emulator, command: str) -> str:
    output = Output()
    emulator.channel.run(Request(("sh", "-c", command)), READ_S, output)
    return output.stdout
