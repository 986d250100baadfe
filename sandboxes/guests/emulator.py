"""A QEMU process with a guest in it, and the three sockets to them."""

from __future__ import annotations

import contextlib
import time

from sandboxes.guests.channel import Channel
from sandboxes.guests.console import Console
from sandboxes.guests.initramfs import initramfs
from sandboxes.guests.kernels import GuestKernel
from sandboxes.guests.machine import Machine, Wiring, arguments, needed_program
from sandboxes.guests.qemu import Qemu, pair


class Emulator:
    """QEMU, from spawn to reaped, with the guest that it boots."""

    def __init__(self, machine: Machine, kernel: GuestKernel) -> None:
        program = needed_program(machine.board.architecture)
        archive = initramfs(kernel, network=machine.network)
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            files = [theirs.enter_context(path.open("rb")).fileno() for path in (kernel.image, archive)]
            near, far = zip(*(pair(ours, theirs) for _ in range(3)), strict=True)
            given = [end.fileno() for end in far]
            words = arguments(machine, _wiring(files, given))
            self.qemu = Qemu(program, words, [*files, *given], machine.accelerator)
            ours.callback(self.qemu.close)
            self.console, self.channel, self.monitor_end = Console(near[0]), Channel(near[1]), near[2]
            ours.pop_all()

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


def _wiring(files: list[int], sockets: list[int]) -> Wiring:
    """The files by number too: QEMU runs as a user who may not enter the folders that they are in."""
    kernel, archive = (f"/proc/self/fd/{number}" for number in files)
    console, agent, monitor = sockets
    return Wiring(kernel, archive, console, agent, monitor)
