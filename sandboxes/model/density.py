"""How many sandboxes fit: what each more of them costs in memory and time."""

from __future__ import annotations

from dataclasses import dataclass

from sandboxes.model.emulator import Footprint
from sandboxes.model.machine import Host


@dataclass(frozen=True)
class DensityPoint:
    """So many sandboxes run side by side. `memory` is that of all their processes together, `start_ms` the mean time
    from asking for one to its first answer, since the point before.
    """

    count: int
    memory: Footprint
    start_ms: float

    @property
    def pss_each_bytes(self) -> float:
        """What one of them costs when shared pages are divided among those that share them."""
        return self.memory.pss_bytes / self.count

    @property
    def private_each_bytes(self) -> float:
        """What comes back when one of them ends."""
        return self.memory.private_bytes / self.count


@dataclass(frozen=True)
class Density:
    """A series of them, with growing counts, on this machine."""

    title: str
    points: tuple[DensityPoint, ...]
    host: Host
