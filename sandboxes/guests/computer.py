"""A computer without an agent of ours: it is watched, and typed to, through its first serial port."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NoReturn, TypeVar

from sandboxes import kernel as host_kernel
from sandboxes import request
from sandboxes.errors import BadRequest, RunTimeout, SandboxGone
from sandboxes.guests import cgroup
from sandboxes.guests.console import Console
from sandboxes.guests.monitor import Monitor, MonitorLost
from sandboxes.guests.qemu import Qemu
from sandboxes.guests.recipes import Recipe
from sandboxes.guests.surface import surface
from sandboxes.lifecycle import Closing, owner
from sandboxes.model import Accelerator, Computer

T = TypeVar("T")
LONGEST_WAIT_S = 3600.0
LONGEST_TEXT = 4096
EMULATED = Accelerator("tcg", "a computer without an agent is always emulated")


class MachineSandbox(Closing):
    """A running computer. Every method may be called from any thread; leaving `with` closes it.

    `what` names what it runs.
    """

    kind = "machine"

    def __init__(
        self,
        name: str,
        recipe: Recipe,
        qemu: Qemu,
        console: Console,
        monitor: Monitor,
        limits: host_kernel.Cgroup | None,
    ) -> None:
        self.name, self.what, self.accelerator = name, recipe.name, EMULATED
        self._recipe, self._qemu, self._console, self._monitor = recipe, qemu, console, monitor
        self._limits = limits
        self._closing, self._closed = threading.Lock(), False
        owner().adopt(self)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "ended" if self._qemu.ended() is not None else "running"
        return f"<machine {self.name}: {self.what}, {self._recipe.memory_bytes >> 20} MiB, {state}>"

    def console(self) -> str:
        """What it wrote on its first serial port: the last megabyte, also after it has ended."""
        return self._console.text()

    def wait_for(self, text: str, timeout_s: float = 60.0) -> float:
        """The text has been on its console; the seconds from spawning QEMU until then.

        Raises BadRequest, RunTimeout with the console's tail, SandboxGone when it ended without.
        """
        wanted = _text(text)
        deadline_s = request.number("timeout_s", timeout_s, least=0.001, most=LONGEST_WAIT_S)
        arrived_s = self._console.arrived_s(wanted, deadline_s)
        if arrived_s is not None:
            return arrived_s - self._qemu.spawned_s
        if self._console.ended:
            self._gone(None)
        raise RunTimeout(
            f"{self.name} did not write {text!r} within {deadline_s:g} s.",
            seen=f"its console ended:\n{self._console.tail(4)}",
            remedy="look at console(), or give it more time with timeout_s=",
        )

    def type(self, text: str) -> None:
        """It gets the text as if it were typed; a line's end is the return key.

        Raises BadRequest, RunTimeout when it reads nothing, SandboxGone.
        """
        data = _text(text).replace(b"\n", b"\r")
        try:
            self._console.write(data)
        except BlockingIOError as error:
            raise RunTimeout(
                f"{self.name} does not read what is typed.",
                seen="the way to it is full",
                remedy="what runs has no input",
            ) from error
        except OSError as error:
            self._gone(error)

    def ended(self, timeout_s: float = 60.0) -> int:
        """QEMU's exit status, once the machine has switched itself off. Raises BadRequest, RunTimeout, SandboxGone."""
        deadline_s = request.number("timeout_s", timeout_s, least=0.001, most=LONGEST_WAIT_S)
        if self._closed:
            self._gone(None)
        status = self._qemu.ended(deadline_s)
        if status is None:
            raise RunTimeout(
                f"{self.name} did not end within {deadline_s:g} s.",
                seen=f"its console ended:\n{self._console.tail(4)}",
                remedy="give it more time with timeout_s=, or close() it",
            )
        return status

    def facts(self) -> Computer:
        """The machine now: the QEMU process on the host, and the devices that it emulates. Raises SandboxGone."""
        hardware = self._asked(self._monitor.hardware)
        return Computer(
            name=self.name,
            what=self.what,
            about=self._recipe.about,
            state=str(self._asked(lambda: self._monitor.execute("query-status"))["status"]),
            process=host_kernel.process(self._qemu.pid),
            threads=host_kernel.threads(self._qemu.pid),
            pss_bytes=host_kernel.pss_bytes(self._qemu.pid),
            seccomp=host_kernel.seccomp_mode(self._qemu.pid),
            qemu_version=hardware.qemu_version,
            cpu_model=hardware.cpu_model,
            accelerator=self.accelerator,
            memory_bytes=self._recipe.memory_bytes,
            surface=self._asked(lambda: surface(self._monitor)),
            host=host_kernel.host(),
        )

    def close(self) -> None:
        """The machine is gone: QEMU killed and reaped, its sockets closed. Closing again does nothing."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._qemu.close()
                self._console.close()
                self._monitor.close()
                cgroup.remove(self._limits)
                owner().release(self)

    def _asked(self, question: Callable[[], T]) -> T:
        """What QEMU's monitor answers."""
        try:
            return question()
        except MonitorLost as lost:
            self._gone(lost)

    def _gone(self, cause: Exception | None) -> NoReturn:
        if self._closed:
            raise SandboxGone(f"{self.name} was closed.", seen="close() was called", remedy="start another") from cause
        status = self._qemu.ended(2.0)
        how = str(cause) if status is None else self._qemu.failure(status) if status else "it switched itself off"
        tail = self._console.tail(4)
        raise SandboxGone(
            f"{self.name} has ended.", seen=f"{how}\n{tail}" if tail else how, remedy="start another"
        ) from cause


def _text(text: str) -> bytes:
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST_TEXT:
        raise BadRequest(
            "text",
            "is not a text that a console can carry.",
            seen=repr(text)[:60],
            remedy=f"1 to {LONGEST_TEXT:,} characters",
        )
    return text.encode(errors="replace")
