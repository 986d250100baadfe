"""How a guest came to answer, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass

from sandboxes.model.guests import Accelerator
from sandboxes.model.machine import Host
from sandboxes.model.states import Stage


@dataclass(frozen=True)
class Initcall:
    """A function that a kernel or one of its modules calls once, to begin. Times count from the spawn of QEMU.

    Source: the kernel's log under `initcall_debug` (Documentation/admin-guide/kernel-parameters.rst).
    """

    name: str
    begin_ms: float
    end_ms: float

    @property
    def duration_ms(self) -> float:
        return self.end_ms - self.begin_ms


@dataclass(frozen=True)
class Boot:
    """From the spawn of QEMU until the guest answered. `started` is "cold", "stock" or "template".

    A stage may lie within another: the kernel unpacks the initramfs beside its other work. `initcalls` are in the
    order in which they began; from a template none is called.
    """

    guest: str
    started: str
    firmware: str
    accelerator: Accelerator
    stages: tuple[Stage, ...]
    initcalls: tuple[Initcall, ...]
    host: Host

    @property
    def total_ms(self) -> float:
        return max(stage.end_ms for stage in self.stages)

    def slowest(self, count: int) -> tuple[Initcall, ...]:
        """So many initcalls, those that took longest first."""
        return tuple(sorted(self.initcalls, key=lambda one: -one.duration_ms)[:count])
