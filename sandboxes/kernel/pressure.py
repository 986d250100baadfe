"""Pressure stall information: Documentation/accounting/psi.rst; of a cgroup: cgroup-v2.rst."""

from __future__ import annotations

from pathlib import Path

from sandboxes.kernel.cgroup_files import Files
from sandboxes.kernel.cgroups import Cgroup
from sandboxes.kernel.reading import PROC
from sandboxes.model import Pressure, PressureStat, Stall


def pressure(cgroup: Cgroup, files: Files | None = None) -> PressureStat | None:
    """How long the processes of this cgroup, and of those below it, waited for CPU, memory and disk; about 0.1 ms.

    Version 2 alone keeps this. On a machine with both versions it is that of the cgroup at the same path in the
    version 2 tree; None when the processes are in a cgroup there that others are in too, or in its root.
    Also None when the kernel was built or started without PSI, or it was switched off here (cgroup.pressure).
    """
    folder = cgroup.own_v2
    return pressure_in(folder, files or Files()) if folder else None


def pressure_in(folder: Path, files: Files) -> PressureStat | None:
    """The same from the files of a version 2 cgroup that is no root."""
    return _read(folder, "{}.pressure", files)


def host_pressure() -> PressureStat | None:
    """The same of the whole machine, from /proc/pressure; None when its kernel keeps no such figures."""
    return _read(PROC / "pressure", "{}", Files())


def parse_pressure(content: str) -> Pressure:
    """Lines "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" and, except for the CPU before Linux 5.13, "full …"."""
    stalls = {}
    for line in content.splitlines():
        kind, *pairs = line.split()
        figures = dict(pair.split("=") for pair in pairs)
        ten, sixty, three_hundred = (float(figures[f"avg{seconds}"]) for seconds in (10, 60, 300))
        stalls[kind] = Stall(ten, sixty, three_hundred, int(figures["total"]))
    return Pressure(stalls["some"], stalls.get("full"))


def _read(folder: Path, pattern: str, files: Files) -> PressureStat | None:
    def one(resource: str) -> Pressure:
        return parse_pressure(files.text(f"pressure.{resource}", folder / pattern.format(resource)))

    try:
        return PressureStat(*map(one, ("cpu", "memory", "io")))
    except OSError:  # ENOENT: not built in; EOPNOTSUPP: switched off
        return None
