"""How much memory sandboxes take side by side: cold guests, clones of a template, containers."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from sandboxes import kernel, request
from sandboxes.containers import ContainerSandbox, container, find_engine
from sandboxes.errors import BadRequest, Unavailable
from sandboxes.guests import GuestSandbox, guest
from sandboxes.model import Density, DensityPoint, Footprint

COUNTS = (1, 5, 10)
SPARE_BYTES = 256 << 20
"""Left to the machine: a series that would take more of its memory ends with an error before it does."""

Place = TypeVar("Place", GuestSandbox, ContainerSandbox)
Tell = Callable[[str], None]


def guests(
    counts: Sequence[int] = COUNTS, *, memory: str | int = "128M", cold: bool = False, tell: Tell | None = None
) -> Density:
    """Guests side by side, at each of the counts; none is left at the end. `cold`: each booted, so that none shares.

    Raises BadRequest for counts that do not grow, Unavailable when the machine would run out of memory, and what
    guest() raises. Source: Documentation/filesystems/proc.rst, smaps_rollup, of the QEMU processes.
    """
    title = f"{'booted guests' if cold else 'guests of a template'}, {memory}"
    return _series(title, lambda: guest(memory=memory, cold=cold), lambda vm: (vm.host_pid,), counts, tell)


def containers(counts: Sequence[int] = COUNTS, *, tell: Tell | None = None) -> Density:
    """The same for containers: all processes in them, but not what the engine runs beside each.

    Raises as guests() does, what container() raises, and Unavailable when the engine is in a guest.
    """
    if find_engine().origin == "guest":
        raise Unavailable(
            "Containers in a guest have no memory of their own on this machine.",
            seen="the engine is in a guest, and QEMU holds the memory of all of them",
            remedy="another engine: ./textbook doctor says what each needs",
        )
    return _series("containers", container, lambda box: tuple(process.pid for process in box.processes()), counts, tell)


def footprint_of(pids: Iterable[int]) -> Footprint:
    """The memory of processes together. Raises SandboxGone, Unavailable."""
    seen = [kernel.footprint(pid) for pid in pids]
    return Footprint(
        rss_bytes=sum(one.rss_bytes for one in seen),
        pss_bytes=sum(one.pss_bytes for one in seen),
        shared_bytes=sum(one.shared_bytes for one in seen),
        private_bytes=sum(one.private_bytes for one in seen),
        swap_bytes=sum(one.swap_bytes for one in seen),
    )


def _series(
    title: str,
    make: Callable[[], Place],
    pids: Callable[[Place], tuple[int, ...]],
    counts: Sequence[int],
    tell: Tell | None,
) -> Density:
    _check(counts)
    points: list[DensityPoint] = []
    places: list[Place] = []
    with contextlib.ExitStack() as stack:
        for count in counts:
            begun, before = time.perf_counter(), len(places)
            while len(places) < count:
                _check_room(len(places))
                places.append(stack.enter_context(make()))
                places[-1].run(["true"])
            start_ms = (time.perf_counter() - begun) * 1000 / (count - before)
            memory = footprint_of(pid for place in places for pid in pids(place))
            points.append(DensityPoint(count, memory, start_ms))
            if tell:
                tell(f"{count} × {title}: {points[-1].pss_each_bytes / (1 << 20):.1f} MiB each")
    return Density(title, tuple(points), kernel.host())


def _check(counts: Sequence[int]) -> None:
    for count in counts:
        request.count("counts", count, least=1, most=200)
    if not counts or any(later <= sooner for sooner, later in itertools.pairwise(counts)):
        raise BadRequest("counts", "do not grow.", seen=repr(counts), remedy="such as (1, 5, 10)")


def _check_room(running: int) -> None:
    free_bytes = kernel.free_bytes()
    if free_bytes < SPARE_BYTES:
        raise Unavailable(
            "There is no memory for another sandbox.",
            seen=f"{running} run, {free_bytes >> 20} MiB are free",
            remedy="ask for fewer",
        )
