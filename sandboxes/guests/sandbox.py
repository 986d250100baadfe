"""A virtual machine that a reader can hold: runs commands, tells what it is made of, ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from sandboxes import kernel as host_kernel
from sandboxes import request
from sandboxes.errors import RunTimeout, SandboxGone, Unavailable
from sandboxes.guests.channel import SAY_S, ChannelLost, Overdue
from sandboxes.guests.emulator import Emulator
from sandboxes.guests.inside import NAMESPACES, QUESTION, Inside, parse_answer, parse_namespaces
from sandboxes.guests.job import Job
from sandboxes.guests.machine import Machine
from sandboxes.guests.monitor import Monitor, MonitorLost
from sandboxes.lifecycle import Closing, owner
from sandboxes.model import Accelerator, Guest, Namespaces, Result

T = TypeVar("T")
LONGEST_RUN_S = 86_400.0


class GuestSandbox(Closing):
    """A running guest. Every method may be called from any thread; leaving `with` closes it.

    `boot_ms` is the time from spawning QEMU until the guest answered; `start_ms` that from the request for it.
    """

    kind = "guest"

    def __init__(
        self,
        machine: Machine,
        how: Accelerator,
        emulator: Emulator,
        monitor: Monitor,
        *,
        boot_ms: float,
        start_ms: float,
    ) -> None:
        self.name, self.accelerator, self.boot_ms, self.start_ms = machine.name, how, boot_ms, start_ms
        self._machine, self._emulator, self._monitor = machine, emulator, monitor
        self._closing = threading.Lock()
        self._closed = self._paused = False
        owner().adopt(self)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "paused" if self._paused else "running"
        return f"<guest {self.name}: {self._machine.memory_bytes >> 20} MiB, {self.accelerator.name}, {state}>"

    def run(self, command: str | Sequence[str], *, timeout_s: float = 30.0) -> Result:
        """The finished command: exit status (128+n when signal n ended it), both streams, wall time at the caller.

        A stream is at most 1 MiB (errors: 256 KiB): a command that writes more meets ENOSPC, as on a full disk.
        Raises BadRequest, RunTimeout (the command and its session have been killed), SandboxGone.
        """
        words = request.argv(command)
        deadline_s = request.number("timeout_s", timeout_s, least=0.001, most=LONGEST_RUN_S)
        begun = time.monotonic()
        try:
            ended = self._emulator.channel.run(words, deadline_s)
        except Overdue as late:
            raise self._overdue(deadline_s, late) from None
        except ChannelLost as lost:
            self._gone(lost)
        wall_ms = (time.monotonic() - begun) * 1000
        stdout, stderr = (stream.decode(errors="replace") for stream in (ended.stdout, ended.stderr))
        return Result(words, ended.status, stdout, stderr, wall_ms, self.name)

    def start(self, command: str | Sequence[str]) -> Job:
        """The command now runs by itself; its output goes nowhere. Raises BadRequest, RunTimeout, SandboxGone."""
        words = request.argv(command)
        try:
            pid, started = self._emulator.channel.start(words)
        except Overdue as late:
            raise self._overdue(SAY_S, late) from None
        except ChannelLost as lost:
            self._gone(lost)
        return Job(self, pid, started)

    def namespaces(self) -> Namespaces:
        """The namespaces of process 1 inside, numbered by the guest's own kernel."""
        boot_id, ids = parse_namespaces(self.run(NAMESPACES).stdout)
        return Namespaces(self.name, self.kind, "init", 1, boot_id, ids)

    def console(self) -> str:
        """What the guest wrote on its first serial port: the last megabyte, also after it has ended."""
        return self._emulator.console.text()

    def pause(self) -> None:
        """Its processors stand still until resume(). Raises SandboxGone. Source: QMP `stop`."""
        self._asked(self._monitor.pause)
        self._paused = True

    def resume(self) -> None:
        """Its processors run. Raises SandboxGone. Source: QMP `cont`."""
        self._asked(self._monitor.resume)
        self._paused = False

    def facts(self) -> Guest:
        """The guest now: the QEMU process on the host, its devices, and what the kernel inside says.

        Raises SandboxGone, RunTimeout, and Unavailable when the tools that answer are gone from the guest.
        """
        inside = self._inside()
        hardware = self._asked(self._monitor.hardware)
        pid = self._emulator.process.pid
        return Guest(
            name=self.name,
            process=host_kernel.process(pid),
            threads=host_kernel.threads(pid),
            pss_bytes=host_kernel.pss_bytes(pid),
            seccomp=host_kernel.seccomp_mode(pid),
            qemu_version=hardware.qemu_version,
            machine=hardware.board,
            cpu_model=hardware.cpu_model,
            firmware=self._machine.firmware_name,
            accelerator=self.accelerator,
            memory_bytes=self._machine.memory_bytes,
            devices=hardware.devices,
            boot_ms=self.boot_ms,
            inside_kernel=inside.kernel,
            inside_boot_id=inside.boot_id,
            inside_cpu=inside.cpu,
            inside_memory_bytes=inside.memory_bytes,
            inside_namespaces=inside.namespaces,
            inside_processes=inside.processes,
            host=host_kernel.host(),
        )

    def close(self) -> None:
        """The guest is gone: QEMU killed and reaped, its sockets closed. Closing again does nothing."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._emulator.close()
                self._monitor.close()
                owner().release(self)

    def _inside(self) -> Inside:
        answer = self.run(QUESTION)
        try:
            return parse_answer(answer.stdout)
        except (ValueError, KeyError) as error:
            raise Unavailable(
                f"The guest {self.name} cannot describe itself.",
                seen=answer.stderr.strip()[-200:] or str(error),
                remedy="start another",
            ) from error

    def _asked(self, question: Callable[[], T]) -> T:
        """What QEMU's monitor answers."""
        try:
            return question()
        except MonitorLost as lost:
            self._gone(lost)

    def _overdue(self, deadline_s: float, late: Overdue) -> RunTimeout:
        if self._paused:
            seen, remedy = "the guest is paused", "call resume() first"
        elif late.killed:
            said = (late.stdout + late.stderr).decode(errors="replace").strip()[-200:]
            seen, remedy = f"it was killed; until then it said {said!r}", "give it more time with timeout_s="
        else:
            seen, remedy = "it could not be killed either: the guest does not answer", "close this guest, start another"
        return RunTimeout(f"A command in {self.name} did not end within {deadline_s:g} s.", seen=seen, remedy=remedy)

    def _gone(self, lost: ChannelLost | MonitorLost) -> NoReturn:
        if self._closed:
            raise SandboxGone(f"The guest {self.name} was closed.", seen="close() was called", remedy="start another")
        if why := self._emulator.ended(wait_s=2.0):
            tail = self._emulator.console.tail(4)
            seen = f"{why}\n{tail}" if tail else why
            raise SandboxGone(f"The guest {self.name} has ended.", seen=seen, remedy="start another") from lost
        raise SandboxGone(
            f"The guest {self.name} lost a command.",
            seen=str(lost),
            remedy="it goes on running: try again, or start another",
        ) from lost
