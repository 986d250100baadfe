"""The parts of a boot, out of what QEMU and the guest's kernel noted while it happened.

Two clocks meet here. QEMU stamps its log with this machine's time; the kernel counts from where its own clock begins,
and a line of its log whose arrival at this machine is known says where that is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sandboxes.model import Initcall, Stage

PREPARED = "init: prepared"
"""What inside/rc writes to the kernel's log when it is done."""

_REQUEST = re.compile(r"^(\d+)@(\d+\.\d+):fw_cfg_select ", re.MULTILINE)
_LINE = re.compile(r"^\[ *(\d+\.\d+)\] (.*)$", re.MULTILINE)
_CALLING = re.compile(r"calling +(\S+) (?:\[\S+\] )?@ \d+$")
_RETURNED = re.compile(r"initcall (\S+) (?:\[\S+\] )?returned ")


@dataclass(frozen=True)
class FirmwareTrace:
    """When QEMU had reset the machine, and when the firmware had asked for the last file. Seconds since 1970."""

    reset_s: float
    loaded_s: float


@dataclass(frozen=True)
class KernelTrace:
    """What a kernel's log tells, in milliseconds of its own clock; None: it does not say so."""

    unpacking_ms: float | None
    unpacked_ms: float | None
    init_ms: float
    prepared_ms: float
    initcalls: tuple[Initcall, ...]


def parse_firmware_trace(log: str) -> FirmwareTrace:
    """Out of QEMU's log of `fw_cfg_select`: its main thread at a reset, a processor's for the firmware.

    Raises ValueError when one of them is not there. Source: QEMU, docs/specs/fw_cfg.rst, docs/devel/tracing.rst.
    """
    seen = [(thread, float(moment)) for thread, moment in _REQUEST.findall(log)]
    processors = [moment for thread, moment in seen if thread != seen[0][0]]
    if not processors:
        raise ValueError("the firmware asked QEMU for nothing")
    return FirmwareTrace(max(moment for thread, moment in seen if thread == seen[0][0]), processors[-1])


def parse_kernel_trace(log: str) -> KernelTrace:
    """Out of what dmesg(1) prints. Raises ValueError when the log does not reach from initcalls to init.

    Source: init/main.c (`calling`, `initcall … returned`, `Run … as init process`), init/initramfs.c.
    """
    lines = [(float(moment) * 1000, text) for moment, text in _LINE.findall(log)]
    init, prepared = _first(lines, "Run /init as init"), _first(lines, PREPARED)
    if init is None or prepared is None:
        raise ValueError("the kernel's log does not reach to the end of the boot")
    unpacking = _first(lines, "Trying to unpack rootfs image") or _first(lines, "Unpacking initramfs")
    return KernelTrace(unpacking, _first(lines, "Freeing initrd memory"), init, prepared, tuple(_initcalls(lines)))


def boot_stages(firmware: FirmwareTrace, kernel: KernelTrace, clock_ms: float, ready_ms: float) -> tuple[Stage, ...]:
    """In milliseconds since QEMU was spawned, when `firmware` counts from there too.

    `clock_ms` is when the kernel's clock was at 0, `ready_ms` when the agent answered.
    """
    reset_ms, loaded_ms = firmware.reset_s * 1000, firmware.loaded_s * 1000
    init_ms, prepared_ms = clock_ms + kernel.init_ms, clock_ms + kernel.prepared_ms
    stages = [
        Stage("QEMU process", 0.0, reset_ms),
        Stage("firmware", reset_ms, loaded_ms),
        Stage("kernel, before its clock runs", loaded_ms, clock_ms),
        Stage("kernel", clock_ms, init_ms),
        Stage("init", init_ms, prepared_ms),
        Stage("agent", prepared_ms, ready_ms),
    ]
    if kernel.unpacking_ms is not None and kernel.unpacked_ms is not None:
        stages.insert(4, Stage("initramfs", clock_ms + kernel.unpacking_ms, clock_ms + kernel.unpacked_ms))
    return tuple(stages)


def on_hosts_clock(initcalls: tuple[Initcall, ...], clock_ms: float) -> tuple[Initcall, ...]:
    """The same, counted from the spawn of QEMU."""
    return tuple(Initcall(one.name, one.begin_ms + clock_ms, one.end_ms + clock_ms) for one in initcalls)


def marked_ms(log: str, mark: str) -> float:
    """When the line with this mark was written, on the kernel's clock. Raises ValueError when there is none."""
    lines = [(float(moment) * 1000, text) for moment, text in _LINE.findall(log)]
    found = _first(lines, mark)
    if found is None:
        raise ValueError(f"no {mark} in the kernel's log")
    return found


def _first(lines: list[tuple[float, str]], wanted: str) -> float | None:
    return next((moment for moment, text in lines if wanted in text), None)


def _initcalls(lines: list[tuple[float, str]]) -> Iterator[Initcall]:
    """By the moments of both lines: what the kernel itself says it took is rounded to its tick early in a boot."""
    begun: dict[str, float] = {}
    for moment, text in lines:
        if called := _CALLING.match(text):
            begun[called[1]] = moment
        elif (returned := _RETURNED.match(text)) and returned[1] in begun:
            yield Initcall(returned[1].partition("+")[0], begun.pop(returned[1]), moment)
