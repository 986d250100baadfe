"""QEMU's control channel (QMP), through the package qemu.qmp.

The package speaks asyncio, and a notebook's own event loop is busy while a cell runs; so one loop in a thread of its
own serves all guests of this process, and callers wait for it like for any other thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from typing import Any, TypeVar

from qemu.qmp import QMPClient, QMPError

from sandboxes.guests.devices import parse_devices
from sandboxes.model import Device

T = TypeVar("T")
CALL_S = 10.0
UNLIMITED_BYTES_PER_S = 10**12

logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Hardware:
    """A guest's hardware in QEMU's own words: board "pc-q35-7.2", cpu_model "max"."""

    qemu_version: str
    board: str
    cpu_model: str
    devices: tuple[Device, ...]


_MODEL = re.compile(r"-[a-z0-9_]+-cpu$")
"""QEMU's type for a model of processor is its name, the kind of processor, and "cpu": "max-x86_64-cpu"."""


class MonitorLost(Exception):
    """QEMU did not answer: it has ended, or it hangs."""


class Monitor:
    """Connected from the start. Any thread may use it."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._client = _wait(_client())
        try:
            _wait(self._client.connect(end))
        except MonitorLost:
            end.close()
            raise

    def execute(self, command: str, **arguments: Any) -> Any:
        """What QEMU answers to a command of the QMP reference manual. Raises MonitorLost."""
        return _wait(self._client.execute(command, arguments or None))

    def ask(self, line: str) -> str:
        """What QEMU prints for a command of its monitor for people (qemu-monitor(7)). Raises MonitorLost."""
        return str(self.execute("human-monitor-command", **{"command-line": line})).replace("\r\n", "\n")

    def give(self, name: str, handle: int) -> None:
        """QEMU has a copy of this descriptor, and knows it by this name (QMP `getfd`). Raises MonitorLost."""
        _wait(self._give(name, handle))

    async def _give(self, name: str, handle: int) -> None:
        self._client.send_fd_scm(handle)
        await self._client.execute("getfd", {"fdname": name})

    def begin_save(self, handle: int) -> None:
        """QEMU begins to write the state of all but the guest's shared memory there. Raises MonitorLost.

        Source: docs/devel/migration.rst; QMP `migrate`, capability x-ignore-shared.
        """
        self._share_memory()
        self.execute("migrate-set-parameters", **{"max-bandwidth": UNLIMITED_BYTES_PER_S})
        self.give("state", handle)
        self.execute("migrate", uri="fd:state")

    def begin_restore(self, handle: int) -> None:
        """QEMU begins to take over such a state, in which the guest stands still. Raises MonitorLost."""
        self._share_memory()
        self.give("state", handle)
        self.execute("migrate-incoming", uri="fd:state")

    def restore_devices(self, handle: int) -> None:
        """The guest goes on from such a state, on a memory that goes with it. Raises MonitorLost."""
        self._share_memory()
        self.give("state", handle)
        _wait(self._resumed())

    def _share_memory(self) -> None:
        only_devices = [{"capability": "x-ignore-shared", "state": True}]
        self.execute("migrate-set-capabilities", capabilities=only_devices)

    async def _resumed(self) -> None:
        """Before the event RESUME the guest's serial ports lose what they are sent."""
        with self._client.listener("RESUME") as events:
            await self._client.execute("migrate-incoming", {"uri": "fd:state"})
            heard, lost = asyncio.ensure_future(events.get()), asyncio.ensure_future(self._client.runstate_changed())
            await asyncio.wait((heard, lost), return_when=asyncio.FIRST_COMPLETED)
            lost.cancel()
            if not heard.done():
                heard.cancel()
                raise EOFError("QEMU could not take over the state")

    def pause(self) -> None:
        """The guest's processors stand still. Raises MonitorLost."""
        self.execute("stop")

    def resume(self) -> None:
        """The guest's processors run. Raises MonitorLost."""
        self.execute("cont")

    def hardware(self) -> Hardware:
        """What QEMU says that it emulates. Raises MonitorLost."""
        version = self.execute("query-version")["qemu"]
        processor = self.execute("query-cpus-fast")[0]["qom-path"]
        return Hardware(
            qemu_version=f"{version['major']}.{version['minor']}.{version['micro']}",
            board=self._type("/machine").removesuffix("-machine"),
            cpu_model=_MODEL.sub("", self._type(processor)),
            devices=parse_devices(self.ask("info qtree")),
        )

    def _type(self, path: str) -> str:
        """QEMU's name for the type of one of its objects."""
        return str(self.execute("qom-get", path=path, property="type"))

    def close(self) -> None:
        """Afterwards the socket is closed and nothing of it is left in the loop."""
        with contextlib.suppress(MonitorLost):
            _wait(self._client.disconnect())
        self._end.close()


_loops: dict[int, asyncio.AbstractEventLoop] = {}
_making = threading.Lock()


def _loop() -> asyncio.AbstractEventLoop:
    """This process's loop: threads do not survive fork(2), so a child makes its own."""
    with _making:
        if os.getpid() not in _loops:
            _loops[os.getpid()] = loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="guest monitors", daemon=True).start()
        return _loops[os.getpid()]


def _wait(work: Coroutine[Any, Any, T]) -> T:
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result(CALL_S)
    except NotYet:
        raise MonitorLost(f"no answer within {CALL_S:g} s") from None
    except (QMPError, OSError, EOFError) as error:
        raise MonitorLost(str(error) or type(error).__name__) from error
    finally:
        future.cancel()  # nobody waits for it any more: not when the reader pressed Stop either


async def _client() -> QMPClient:
    return QMPClient("guest")
