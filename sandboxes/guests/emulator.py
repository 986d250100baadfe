"""A running QEMU process with its three sockets: spawned, watched, killed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

from sandboxes.errors import GuestUnavailable
from sandboxes.guests import cgroup
from sandboxes.guests.channel import Channel
from sandboxes.guests.console import Console
from sandboxes.guests.initramfs import initramfs
from sandboxes.guests.kernels import GuestKernel
from sandboxes.guests.machine import PROGRAM, Machine, Wiring, arguments, found_program
from sandboxes.lifecycle import MARK, owner

NOBODY = 65534
KVM = Path("/dev/kvm")


class Emulator:
    """QEMU, from spawn to reaped. It is marked as this process's own, so that it dies with it.

    `state`: the machine does not boot, but goes on where another was when its state was saved in this open file.
    """

    process: subprocess.Popen[bytes]

    def __init__(self, machine: Machine, kernel: GuestKernel, state: int | None = None) -> None:
        self.machine, self.kernel = machine, kernel
        program = found_program()
        if program is None:
            raise GuestUnavailable(
                "QEMU is not installed.", seen=f"no {PROGRAM} on PATH", remedy="apt-get install qemu-system-x86"
            )
        archive = initramfs(kernel, network=machine.network)
        environment = owned_environment()
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            files = [theirs.enter_context(path.open("rb")).fileno() for path in (kernel.image, archive)]
            near, far = zip(*(_pair(ours, theirs) for _ in range(3)), strict=True)
            given = [end.fileno() for end in far]
            saved = [] if state is None else [_from_its_start(state, theirs)]
            self._log = ours.enter_context(os.fdopen(os.memfd_create("qemu-log"), "r+b"))
            user, groups = _identity(machine)
            words = [program, *arguments(machine, _wiring(files, given, saved))]

            def spawn() -> int:
                self.spawned_s = time.monotonic()
                self.process = subprocess.Popen(
                    words,
                    pass_fds=[*files, *given, *saved],
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    cwd="/",
                    env=environment,
                    start_new_session=True,
                    user=user,
                    group=user,
                    extra_groups=groups,
                )
                ours.callback(self._kill)
                return self.process.pid

            self.cgroup = cgroup.make(machine)
            ours.callback(cgroup.remove, self.cgroup)
            cgroup.born_in(self.cgroup, spawn)
            self.console, self.monitor_end = Console(near[0]), near[2]
            self.channel = Channel(near[1], awake=state is not None)
            ours.pop_all()

    def again(self, state: int) -> Emulator:
        """Another QEMU of the same machine, which goes on from this state."""
        return Emulator(self.machine, self.kernel, state)

    def boot(self, deadline_s: float) -> float | None:
        """Milliseconds from spawn until the agent answers; None when the deadline passed. Raises ChannelLost."""
        ready = self.channel.wait_ready(self.spawned_s + deadline_s - time.monotonic())
        return (time.monotonic() - self.spawned_s) * 1000 if ready else None

    def ended(self, wait_s: float = 0.0) -> str | None:
        """Why QEMU is not running any more, in words; None while it runs, and still runs after `wait_s`."""
        try:
            status = self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return None
        self.console.settle()
        if status < 0:
            return f"QEMU was killed by {signal.Signals(-status).name}{self._complaint()}"
        if status > 0:
            return f"QEMU failed with status {status}{self._complaint()}"
        console = self.console.text()
        at = console.rfind("Kernel panic")
        return "the guest switched itself off" if at < 0 else console[at:].splitlines()[0]

    def _kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _complaint(self) -> str:
        """The first thing that QEMU itself had to say; what follows is a consequence."""
        self._log.seek(0)
        lines = self._log.read(4096).decode(errors="replace").split("\n")
        said = lines[0].removeprefix(f"{PROGRAM}: ").strip()
        return f" ({said[:200]})" if said else ""

    def close(self) -> None:
        """Killed, reaped, and every descriptor closed."""
        self._kill()
        self.console.close()
        self.channel.close()
        self.monitor_end.close()
        self._log.close()
        cgroup.remove(self.cgroup)


def owned_environment() -> dict[str, str]:
    """The owner's mark and little else: what the reader's environment holds is none of an emulator's business."""
    return {key: value for key, value in owner().environment().items() if key in (MARK, "PATH")}


def _wiring(files: list[int], sockets: list[int], saved: list[int]) -> Wiring:
    """The files by number too: QEMU runs as a user who may not enter the folders that they are in."""
    kernel, archive = (f"/proc/self/fd/{number}" for number in files)
    console, agent, monitor = sockets
    return Wiring(kernel, archive, console, agent, monitor, *saved)


def _from_its_start(state: int, theirs: contextlib.ExitStack) -> int:
    """The same file, opened anew: with an offset of its own."""
    handle = os.open(f"/proc/self/fd/{state}", os.O_RDONLY | os.O_CLOEXEC)
    theirs.callback(os.close, handle)
    return handle


def _pair(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[socket.socket, socket.socket]:
    """A connected pair: nothing to find, nothing to clean up, and nobody else can connect."""
    near, far = socket.socketpair()
    return ours.enter_context(near), theirs.enter_context(far)


def _identity(machine: Machine) -> tuple[int | None, list[int] | None]:
    """User (its group has the same number) and further groups for QEMU; None: as they are.

    Root hands QEMU to nobody; under KVM with the group of /dev/kvm, or keeps it where only root may open that.
    """
    if os.getuid() != 0:
        return None, None
    if machine.accelerator != "kvm":
        return NOBODY, []
    seen = KVM.stat()
    if seen.st_mode & stat.S_IWOTH:
        return NOBODY, []
    return (NOBODY, [seen.st_gid]) if seen.st_mode & stat.S_IWGRP else (None, None)
