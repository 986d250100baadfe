"""From a reader's request to a computer that runs something else than a guest of ours."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from sandboxes import request
from sandboxes.errors import StartFailed
from sandboxes.guests import cgroup
from sandboxes.guests.architectures import X86_64
from sandboxes.guests.boards import PC
from sandboxes.guests.computer import EMULATED, MachineSandbox
from sandboxes.guests.console import Console
from sandboxes.guests.machine import HARDENED, Machine, accelerated, needed_program
from sandboxes.guests.monitor import Monitor, MonitorLost
from sandboxes.guests.parts import Say
from sandboxes.guests.qemu import Qemu, pair
from sandboxes.guests.recipes import FILE, RECIPES, Recipe, opened

BOARD = PC.name
"""The oldest of QEMU's x86 boards: what does not know Linux may not know a newer one either."""

_numbers = itertools.count(1)


def machine(what: str, *, say: Say = print) -> MachineSandbox:
    """A computer runs `what`: "firmware", "boot-sector", "memtest86+" or "u-boot". It is always emulated.

    What is not on this machine is fetched with apt into the cache, once; `say` hears what, and how large it is.
    Raises BadRequest before anything starts, GuestUnavailable or Unavailable when a part cannot be had, StartFailed.
    Source of its facts: the QEMU machine protocol (QMP), and proc(5) of the QEMU process.
    """
    recipe = RECIPES[request.one_of("what", what, RECIPES)]
    program = needed_program()
    with contextlib.ExitStack() as stack:
        file = opened(recipe, say)
        if file is not None:
            stack.callback(os.close, file)
        return _started(f"machine-{next(_numbers)}", recipe, program, file)


def _started(name: str, recipe: Recipe, program: Path, file: int | None) -> MachineSandbox:
    with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
        near, far = zip(*(pair(ours, theirs) for _ in range(2)), strict=True)
        sockets = [end.fileno() for end in far]
        inherited = sockets if file is None else [*sockets, file]
        limits = cgroup.make(_as_guest(name, recipe))
        ours.callback(cgroup.remove, limits)
        qemu = Qemu(program, recipe_arguments(name, recipe, sockets, file), inherited, EMULATED.name, limits)
        ours.callback(qemu.close)
        theirs.close()
        console = Console(near[0])
        ours.callback(console.close)
        try:
            monitor = Monitor(near[1])
        except MonitorLost as lost:
            status = qemu.ended(2.0)
            raise StartFailed(
                f"QEMU did not start {recipe.name}.",
                seen=str(lost) if status is None else qemu.failure(status),
                remedy="try again; if it stays so, see `./textbook doctor`",
            ) from lost
        ours.callback(monitor.close)
        sandbox = MachineSandbox(name, recipe, qemu, console, monitor, limits)
        ours.pop_all()
        return sandbox


def _as_guest(name: str, recipe: Recipe) -> Machine:
    """What it may take of this machine is what a guest of its size may."""
    return Machine(name, recipe.memory_bytes, 1, network=False, accelerator=EMULATED.name, firmware=None, board=PC)


def recipe_arguments(name: str, recipe: Recipe, sockets: Sequence[int], file: int | None) -> list[str]:
    """QEMU's arguments: no device but the board's own, the serial port, and what the recipe asks for."""
    console, monitor = sockets
    return [
        *("-name", f"{name},debug-threads=on,process={X86_64.program}"),
        *HARDENED,
        *("-machine", ",".join([BOARD, *recipe.options]), "-accel", accelerated(EMULATED.name)),
        *("-m", f"{recipe.memory_bytes >> 10}K"),
        *("-chardev", f"socket,id=console,fd={console}", "-serial", "chardev:console"),
        *("-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control"),
        *(word.replace(FILE, f"/proc/self/fd/{file}") for word in recipe.arguments),
    ]
