"""A guest that is an engine, as this machine reaches it."""

from __future__ import annotations

import re

from sandboxes.errors import SandboxError, StartFailed
from sandboxes.guests.engine.image import ADDRESS, PORT
from sandboxes.guests.sandbox import GuestSandbox
from sandboxes.limits import Room

HERE = "127.0.0.1"
"""Nobody outside this machine reaches the engine; every user of this machine does."""

LOG = "tail -n 4 /var/log/engine"


class EngineGuest(GuestSandbox):
    """A running guest whose engine can be given a port of this machine."""

    def forward(self) -> int:
        """A free port of this machine's loopback that leads to the engine from now on. Raises StartFailed.

        Source: QEMU's hostfwd_add; asked for port 0, the kernel chooses one that nobody has.
        """
        said = self._asked(lambda: self._monitor.ask(f"hostfwd_add net tcp:{HERE}:0-{ADDRESS}:{PORT}"))
        port = parse_forwarded(self._asked(lambda: self._monitor.ask("info usernet")))
        if port is None:
            raise StartFailed(
                "The engine in a guest cannot be reached: QEMU gave it no port.",
                seen=said.strip() or "no forwarded port in `info usernet`",
                remedy="try again; if it stays so, see `./textbook doctor`",
            )
        return port

    @property
    def room(self) -> Room:
        """What it has for all containers together."""
        return Room(self._machine.memory_bytes, self._machine.cpus)

    def last_words(self) -> str:
        """The end of the engine's log, or why it cannot be read."""
        try:
            return self.run(LOG).stdout.strip()
        except SandboxError as error:
            return error.what

    def ended(self) -> bool:
        """QEMU does not run any more."""
        return self._closed or self._emulator.ended() is not None


def parse_forwarded(usernet: str) -> int | None:
    """The port of this machine in QEMU's `info usernet`: a row "TCP[HOST_FORWARD] FD ADDRESS PORT ..."."""
    match = re.search(rf"TCP\[HOST_FORWARD\]\s+\d+\s+{re.escape(HERE)}\s+(\d+)\s", usernet)
    return int(match[1]) if match else None
