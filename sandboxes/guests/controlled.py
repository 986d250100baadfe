"""A guest as its hypervisor holds it: looked at from below, stopped, saved, rolled back, squeezed, limited, ended."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from typing import TypeVar

from sandboxes import kernel, request
from sandboxes.errors import BadRequest, RunTimeout, SandboxGone, Unavailable
from sandboxes.guests import cgroup
from sandboxes.guests.balloon import LEAST_BYTES, actual_bytes, inflate
from sandboxes.guests.channel import SAY_S
from sandboxes.guests.emulator import Emulator
from sandboxes.guests.ending import Ending
from sandboxes.guests.hypervisor import hypervisor
from sandboxes.guests.machine import Machine
from sandboxes.guests.monitor import Monitor, MonitorLost
from sandboxes.guests.running import LONGEST_RUN_S, RunningGuest
from sandboxes.guests.snapshot import DEVICES_BYTES, Snapshot, restored, saved
from sandboxes.model import BalloonChange, Hypervisor, Limits, Rollback, Shutdown
from sandboxes.output import Output

T = TypeVar("T")

SNAPSHOTS = 4
"""So many a guest may have at a time: each holds as much of this machine's memory as the guest has used."""

READ_BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
"""A kernel draws it when it is first read (random(4)): so it is the same after every rollback, as it is one boot."""


class ControlledGuest(RunningGuest):
    """`limits` are those of the cgroup that QEMU is in; without one, all None. `started` says how it came to run."""

    def __init__(self, machine: Machine, emulator: Emulator, monitor: Monitor, started: str) -> None:
        super().__init__(machine.name, emulator)
        self._machine, self._monitor = machine, monitor
        self._snapshots: list[Snapshot] = []
        self.started = started
        self.limits = cgroup.limits_of(machine) if emulator.cgroup else Limits(None, None, None)

    def pause(self) -> None:
        """Its processors stand still until resume(). Raises SandboxGone. Source: QMP `stop`."""
        self._asked(self._monitor.pause)
        self._paused = True

    def resume(self) -> None:
        """Its processors run. Raises SandboxGone. Source: QMP `cont`."""
        self._asked(self._monitor.resume)
        self._paused = False

    def hypervisor(self) -> Hypervisor:
        """Every layer between this guest's kernel and the host's, now; nothing inside is asked, so it may be paused.

        Raises SandboxGone, Unavailable. Source: the QEMU machine protocol (QMP), and /proc of QEMU's process.
        """
        pid, group = self._emulator.qemu.pid, self._emulator.cgroup
        return self._asked(lambda: hypervisor(self.name, self._monitor, pid, group))

    @property
    def host_pid(self) -> int:
        """The number of QEMU's process on this machine; another one after a rollback."""
        return self._emulator.qemu.pid

    def limit(self, *, cpus: float | None = None, cpu_shares: int | None = None) -> Limits:
        """Change what QEMU may take of this machine's CPUs; None leaves it as it is. The limits afterwards.

        `cpus` is the most at any time, in cores; `cpu_shares` counts against others when CPUs are short, 1024 is usual.
        Raises BadRequest, LimitIgnored where this user may not make a cgroup, SandboxGone.
        """
        self.limits = cgroup.change(self._emulator.cgroup, self.limits, cpus, cpu_shares)
        return self.limits

    def balloon(self, memory: str | int, *, timeout_s: float = 20.0) -> BalloonChange:
        """The guest has this much memory, at most what it began with; what it gave up is free on the host.

        Raises BadRequest, RunTimeout when its kernel does not give up as much in that time, SandboxGone, and
        Unavailable when the machine has no such device.
        Source: virtio 1.2, 5.5 (memory balloon); QMP `balloon` and `query-balloon`; MemTotal inside.
        """
        if self._machine.stock or not self._machine.board.balloon:
            raise Unavailable(
                f"The guest {self.name} has no balloon.",
                seen="a stock machine" if self._machine.stock else f"the board {self._machine.board.name}",
                remedy="use one of the board q35 or pc",
            )
        wanted = request.size_bytes("memory", memory, least=LEAST_BYTES, most=self._machine.memory_bytes)
        limit_s = request.number("timeout_s", timeout_s, least=0.001, most=LONGEST_RUN_S)
        pid = self._emulator.qemu.pid
        change = self._asked(lambda: inflate(self._monitor, pid, self._memory_inside, wanted, limit_s))
        if change:
            return change
        left = self._asked(lambda: actual_bytes(self._monitor))
        raise RunTimeout(
            f"The balloon in {self.name} did not get to {wanted >> 20} MiB within {limit_s:g} s.",
            seen=f"{left >> 20} MiB are left to the guest",
            remedy="ask for a larger size: its programs need the rest",
        )

    def snapshot(self) -> Snapshot:
        """The state of the guest, its memory included, is kept in this machine's memory; it stands still meanwhile.

        It is as large as the memory that the guest has used. It goes when it is closed, or the guest.
        Raises BadRequest for a paused guest, Unavailable when there are 4 already or no memory for it, SandboxGone,
        RunTimeout. Source: QMP `migrate`.
        """
        self._check_room()
        return self._spoken(lambda: self._asked(self._snapshot), SAY_S, Output())

    def rollback(self, snapshot: Snapshot) -> Rollback:
        """The guest is where it was at the snapshot, with its files, programs and memory; only its clock is right.

        It runs in a new QEMU process. What was being run for a caller raises SandboxGone there. When a rollback fails
        in QEMU, the guest is as it was before.
        Raises BadRequest for another guest's snapshot or a closed one, Unavailable, SandboxGone.
        """
        state = self._state_of(snapshot)
        begun = time.monotonic()
        try:
            emulator, monitor, restore_ms = restored(self._emulator, state)
        finally:
            os.close(state)
        try:
            self._replace(emulator, monitor)
            resumed = self._go_on()
        except KeyboardInterrupt:  # nobody is left with a guest that stands still, or draws known numbers
            self._go_on()
            raise
        now = time.monotonic()
        return Rollback(restore_ms, (now - resumed) * 1000, (now - begun) * 1000)

    def stop(self, timeout_s: float = 10.0) -> Shutdown:
        """The guest has ended, and is closed: asked by its power button, and after `timeout_s` by harder means.

        These are `poweroff -f` inside (5 s), `quit` to QEMU (5 s) and SIGKILL. A paused guest cannot be asked, and on
        some boards there is no such button.
        Raises BadRequest, SandboxGone. Source: QMP `system_powerdown` (the ACPI power button); init's words on the
        console.
        """
        limit_s = request.number("timeout_s", timeout_s, least=0.0, most=LONGEST_RUN_S)
        if self._closed or self._emulator.ended():
            self._gone(MonitorLost())
        try:
            board = self._machine.board
            button_s = limit_s if board.power_button else 0.0
            return Ending(self._emulator, self._monitor, board.off).run(button_s, awake=not self._paused)
        finally:
            self.close()

    def _snapshot(self) -> Snapshot:
        most_bytes = self._machine.memory_bytes + DEVICES_BYTES
        self.run(READ_BOOT_ID)
        with self._emulator.channel.still():
            begun = time.monotonic()
            try:
                self._monitor.pause()
                state = saved(self._monitor, most_bytes)
            finally:
                self._monitor.resume()
            taken = Snapshot(self.name, state, (time.monotonic() - begun) * 1000)
        self._snapshots = [*(one for one in self._snapshots if one.state is not None), taken]
        return taken

    def _check_room(self) -> None:
        if self._paused:
            raise BadRequest(
                "snapshot", "needs a running guest.", seen=f"{self.name} is paused", remedy="call resume() first"
            )
        if not self._emulator.channel.can("identify"):
            raise Unavailable(
                f"The guest {self.name} could not be told the time after a rollback.",
                seen="its agent is the one for busybox sh",
                remedy="use a guest of this computer's own kind",
            )
        kept = sum(one.state is not None for one in self._snapshots)
        free_bytes = kernel.free_bytes()
        if kept >= SNAPSHOTS or free_bytes < self._machine.memory_bytes:
            raise Unavailable(
                f"There is no room for a snapshot of {self.name}.",
                seen=f"it has {kept} of at most {SNAPSHOTS}, and {free_bytes >> 20} MiB of memory are free",
                remedy="close() a snapshot, or another sandbox",
            )

    def _state_of(self, snapshot: Snapshot) -> int:
        """Another descriptor of its file, which stays when the snapshot is closed meanwhile."""
        with self._closing:
            state = snapshot.state if snapshot in self._snapshots else None
            if state is not None:
                return os.dup(state)
        if self._closed:
            self._gone(MonitorLost())
        raise BadRequest(
            "snapshot",
            "is none that this guest can go back to.",
            seen=f"{snapshot!r}, for {self!r}",
            remedy="use one that this guest's snapshot() gave, and that is not closed",
        )

    def _replace(self, emulator: Emulator, monitor: Monitor) -> None:
        """What runs the guest from now on; what did is gone."""
        with self._closing:
            if not self._closed:
                old = self._emulator, self._monitor
                self._emulator, self._monitor = emulator, monitor
                emulator, monitor = old
                self._paused, self.started = False, "rolled back to a snapshot"
                cgroup.change(self._emulator.cgroup, self.limits, self.limits.cpus, self.limits.cpu_shares)
            emulator.close()
            monitor.close()
        if self._closed:
            raise SandboxGone(f"The guest {self.name} was closed.", seen="close() was called", remedy="start another")

    def _identify(self) -> None:
        """Its clock is right, and its random numbers differ from those after any other rollback to the same state.

        It is the same guest: its name and machine id stay those that are in its memory.
        """
        name, *known = self.run("hostname; grep -v uninitialized /etc/machine-id").stdout.split()
        self._emulator.channel.identify(
            name, known[0] if known else secrets.token_hex(16), secrets.token_bytes(32), time.time_ns()
        )

    def _go_on(self) -> float:
        """It runs, and is told the time; when it began to run (monotonic)."""
        self._asked(self._monitor.resume)
        resumed = time.monotonic()
        self._spoken(self._identify, SAY_S, Output())
        return resumed

    def _memory_inside(self) -> int:
        return kernel.parse_memory_total(self.run("grep MemTotal /proc/meminfo").stdout)

    def _end(self) -> None:
        """QEMU is gone, and with it every snapshot."""
        self._emulator.close()
        self._monitor.close()
        for one in self._snapshots:
            one.close()

    def _asked(self, question: Callable[[], T]) -> T:
        """What QEMU's monitor answers."""
        try:
            return question()
        except MonitorLost as lost:
            self._gone(lost)
