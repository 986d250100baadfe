"""How a guest is ended: asked by its power button, then by a command, then QEMU by its monitor, then by the kernel."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable

from sandboxes.guests.emulator import Emulator
from sandboxes.guests.exchange import ChannelLost, Overdue, Request
from sandboxes.guests.monitor import Monitor, MonitorLost
from sandboxes.model import Shutdown, Stage
from sandboxes.output import Output

POWEROFF_S = 5.0
QUIT_S = 5.0
POLL_S = 0.005

INIT_SAYS = (
    ("The system is going down", "init ends its programs"),
    ("Sent SIGKILL to all processes", "init ends the last of them"),
    ("Requesting system poweroff", "init waits, the kernel switches off"),
)
"""Of busybox init (init/init.c), and what begins when it says so."""


class Ending:
    """Tries one way after another until QEMU has ended, and notes when what happened."""

    def __init__(self, emulator: Emulator, monitor: Monitor, off: str) -> None:
        """`off` is the command that ends QEMU from inside."""
        self._emulator, self._monitor, self._off = emulator, monitor, off
        self._begun = time.monotonic()
        self._marks: list[tuple[str, float]] = []
        self._earlier = Counter(self._said())

    def run(self, timeout_s: float, *, awake: bool) -> Shutdown:
        """QEMU has ended. A guest that is not awake is not asked; a QEMU that does not answer is killed."""
        ways = (
            ("power button", timeout_s if awake else 0.0, lambda: self._monitor.execute("system_powerdown")),
            (self._off, POWEROFF_S if awake else 0.0, self._switch_off),
            ("quit", QUIT_S, self._quit),
        )
        with contextlib.suppress(MonitorLost):
            for name, limit_s, act in ways:
                if limit_s and self._ends(name, limit_s, act):
                    return self._shutdown(name)
        self._mark("SIGKILL")
        self._emulator.qemu.process.kill()
        self._emulator.qemu.process.wait()
        return self._shutdown("killed")

    def _ends(self, name: str, limit_s: float, act: Callable[[], object]) -> bool:
        self._mark(name)
        with contextlib.suppress(ChannelLost, Overdue):
            act()
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            self._listen()
            if self._emulator.qemu.process.poll() is not None:
                self._emulator.console.settle()
                self._listen()
                return True
            time.sleep(POLL_S)
        return False

    def _quit(self) -> None:
        """Its answer may not come any more."""
        with contextlib.suppress(MonitorLost):
            self._monitor.execute("quit")

    def _switch_off(self) -> None:
        self._emulator.channel.run(Request((self._off, "-f")), POWEROFF_S, Output())

    def _listen(self) -> None:
        """What was on the console before, of another shutdown that did not come to its end, does not count."""
        known = {name for name, _ in self._marks}
        for name in Counter(self._said()) - self._earlier:
            if name not in known:
                self._mark(name)

    def _said(self) -> list[str]:
        text = self._emulator.console.text()
        return [name for words, name in INIT_SAYS for _ in range(text.count(words))]

    def _mark(self, name: str) -> None:
        self._marks.append((name, self._ms()))

    def _ms(self) -> float:
        return (time.monotonic() - self._begun) * 1000

    def _shutdown(self, how: str) -> Shutdown:
        total = self._ms()
        ends = [*(at for _, at in self._marks[1:]), total]
        stages = (Stage(name, at, end) for (name, at), end in zip(self._marks, ends, strict=True))
        return Shutdown(how, tuple(stages), total)
