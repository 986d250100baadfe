"""Limits that were asked of an engine."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What was asked of the engine; None: no limit. `cpu_shares` is the weight when CPUs are short, 1024 being usual.

    Source: Docker Engine API, "Create a container", HostConfig (Memory, CpuQuota, PidsLimit, BlkioDeviceReadBps …).
    """

    memory_bytes: int | None
    cpus: float | None
    pids: int | None
    read_bytes_per_s: int | None = None
    write_bytes_per_s: int | None = None
    cpu_shares: int | None = None

    @property
    def io(self) -> bool:
        """A limit on input or output was asked for."""
        return (self.read_bytes_per_s, self.write_bytes_per_s) != (None, None)

    def only(self, kinds: Collection[str]) -> Limits:
        """The same without limits of other kinds than these: "memory", "cpu", "pids", "io"."""
        return Limits(
            self.memory_bytes if "memory" in kinds else None,
            self.cpus if "cpu" in kinds else None,
            self.pids if "pids" in kinds else None,
            self.read_bytes_per_s if "io" in kinds else None,
            self.write_bytes_per_s if "io" in kinds else None,
            self.cpu_shares if "cpu" in kinds else None,
        )
