"""A QEMU process with a guest in it, and the three sockets to them."""

from __future__ import annotations

import contextlib
import time

from sandboxes.guests import cgroup
from sandboxes.guests.channel import Channel
from sandboxes.guests.console import Console
from sandboxes.guests.machine import Boot, Machine, Wiring, arguments, needed_program
from sandboxes.guests.qemu import Qemu, pair
from sandboxes.guests.system import System


class Emulator:
    """QEMU, from spawn to reaped, with the guest in it.

    It boots `system`, or waits to be given a state when there is none. `memory` is the descriptor of a file that is the
    guest's memory: `shared`, the guest writes into it; else it is only read, and what the guest changes is its own.
    """

    def __init__(
        self,
        machine: Machine,
        system: System | None,
        *,
        memory: int | None = None,
        shared: bool = False,
    ) -> None:
        self.machine = machine
        program = needed_program(machine.board.architecture)
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            begins, files = _loaded(system, theirs) if system else ("defer", [])
            near, far = zip(*(pair(ours, theirs) for _ in range(3)), strict=True)
            console, agent, monitor = (end.fileno() for end in far)
            path = None if memory is None else f"/proc/self/fd/{memory}"
            words = arguments(machine, Wiring(console, agent, monitor, begins, path, shared))
            inherited = [*files, console, agent, monitor, *([] if memory is None else [memory])]
            self.cgroup = cgroup.make(machine)
            ours.callback(cgroup.remove, self.cgroup)
            private = memory is not None and not shared
            self.qemu = Qemu(program, words, inherited, machine.accelerator, self.cgroup, private=private)
            ours.callback(self.qemu.close)
            self.console, self.monitor_end = Console(near[0]), near[2]
            self.channel = Channel(near[1], awake=system is None)
            theirs.close()
            ours.pop_all()

    def again(self) -> Emulator:
        """Another QEMU of the same machine, with memory of its own, which waits to be given a state."""
        return Emulator(self.machine, None)

    def boot(self, deadline_s: float) -> float | None:
        """Milliseconds from spawn until the agent answers; None when the deadline passed. Raises ChannelLost."""
        ready = self.channel.wait_ready(self.qemu.spawned_s + deadline_s - time.monotonic())
        return (time.monotonic() - self.qemu.spawned_s) * 1000 if ready else None

    def ended(self, wait_s: float = 0.0) -> str | None:
        """Why QEMU is not running any more, in words; None while it runs, and still runs after `wait_s`."""
        status = self.qemu.ended(wait_s)
        if status is None:
            return None
        self.console.settle()
        if status:
            return self.qemu.failure(status)
        console = self.console.text()
        at = console.rfind("Kernel panic")
        return "the guest switched itself off" if at < 0 else console[at:].splitlines()[0]

    def close(self) -> None:
        """Killed, reaped, and every descriptor closed."""
        self.qemu.close()
        self.console.close()
        self.channel.close()
        self.monitor_end.close()
        cgroup.remove(self.cgroup)


def _loaded(system: System, theirs: contextlib.ExitStack) -> tuple[Boot | str, list[int]]:
    """Files by number: QEMU runs as a user who may not enter the folders that they are in.

    A comma ends one of several that are loaded; two are a comma in its words (QEMU, hw/i386/multiboot.c).
    """
    files = [theirs.enter_context(path.open("rb")).fileno() for path in system.files]
    kernel, *others = (f"/proc/self/fd/{number}" for number in files)
    loaded = (" ".join([path, *one.words]).replace(",", ",,") for path, one in zip(others, system.loaded, strict=True))
    return Boot(kernel, ",".join(loaded), " ".join(system.words)), files
