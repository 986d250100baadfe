"""The host's end of the agent, over the second serial port: any thread may use it at any time."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator

from sandboxes.errors import Unavailable
from sandboxes.guests.exchange import ChannelLost, Exchange, Overdue, Request
from sandboxes.guests.frames import Frame, Frames
from sandboxes.output import Output

AHEAD_BYTES = 32 << 10
"""So much is sent before the agent says that it was read: a serial port has no way to say "wait" to its sender."""

PIECE_BYTES = 4 << 10
SAY_S = 10.0
ABILITIES = frozenset({"identify", "input", "stream", "user"})
"""What the agent in C announces. The one for busybox sh announces fewer."""


class Channel:
    """Commands run side by side in the guest and are told apart by random ids.

    `awake`: the guest was restored, so its agent (the one in C) is there already and will not say so.
    """

    def __init__(self, end: socket.socket, *, awake: bool = False) -> None:
        self._end = end
        self._exchanges: dict[str, Exchange] = {}
        self._lost: str | None = None
        self._ready = threading.Event()
        self._abilities: frozenset[str] = frozenset()
        self._lock, self._sending = threading.Lock(), threading.RLock()
        self._ahead, self._read_on = 0, threading.Condition()
        self._rest = memoryview(b"")
        if awake:
            self._abilities = ABILITIES
            self._ready.set()
        self._reader = threading.Thread(target=self._read, name="guest agent", daemon=True)
        self._reader.start()

    def wait_ready(self, timeout_s: float) -> bool:
        """True when the agent answers, False when it is too slow. Raises ChannelLost when the guest ended."""
        self._ready.wait(timeout_s)
        if self._lost is not None:
            raise ChannelLost(self._lost)
        return self._ready.is_set()

    def can(self, ability: str) -> bool:
        """The agent in this guest has said so."""
        return ability in self._abilities

    def run(self, request: Request, timeout_s: float, output: Output) -> int:
        """The exit status of the finished command. At the deadline, and when the caller is interrupted, its session is
        killed.

        Raises Overdue, ChannelLost, and what whoever is told raises.
        """
        until = time.monotonic() + timeout_s
        with self.open(request) as exchange:
            try:
                return exchange.ended(until, output)
            except queue.Empty:
                raise Overdue(killed=exchange.killed(output)) from None
            except ChannelLost:
                raise
            except BaseException:  # also a KeyboardInterrupt: what the reader interrupts must not go on running
                exchange.killed(output)
                raise

    def identify(self, hostname: str, machine_id: str, seed: bytes, time_ns: int) -> None:
        """The guest has this name, /etc/machine-id and time; what it draws at random depends on `seed` from now on.

        Raises Overdue, Unavailable when its agent cannot do this, ChannelLost also when its kernel refuses.
        Source: random(4), RNDADDENTROPY and RNDRESEEDCRNG; clock_settime(2); machine-id(5).
        """
        said = Output()
        self._need("identify", "cannot be told who it is")
        lines = f"{hostname}\n{machine_id}\n{time_ns}\n{seed.hex()}\n".encode()
        with self._known(Exchange(self._send)) as exchange:
            self._send(Frame("n", exchange.id, lines))
            try:
                status = exchange.ended(time.monotonic() + SAY_S, said)
            except queue.Empty:
                raise Overdue(killed=False) from None
        if status:
            raise ChannelLost(f"it could not be told who it is: {said.stderr.strip()}")

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """The agent has read all that was sent, and nothing else is sent meanwhile: so it is nowhere within a frame.

        Raises Overdue, ChannelLost.
        """
        with self._sending:
            self.run(Request(("true",)), SAY_S, Output())
            yield

    @contextlib.contextmanager
    def open(self, request: Request) -> Iterator[Exchange]:
        """The command has been asked for; at the end what still comes from it is dropped.

        Raises Unavailable when the agent cannot do what is asked, ChannelLost, Overdue.
        """
        if request.setting.input is not None:
            self._need("input", "cannot give input to a command")
        if request.setting.user:
            self._need("user", "cannot run a command as another user")
        with self._known(Exchange(self._send, request.setting.input)) as exchange:
            try:
                self._send(Frame("r", exchange.id, request.line()))
                exchange.give_input()
                yield exchange
            except KeyboardInterrupt:  # whoever was to end it may not know yet that it runs
                with contextlib.suppress(ChannelLost, Overdue):
                    exchange.kill()
                raise

    def _need(self, ability: str, what: str) -> None:
        if not self.can(ability):
            raise Unavailable(
                f"The agent in this guest {what}.",
                seen="it is the one for busybox sh, for computers that no agent in C is made for",
                remedy="use a guest of this computer's own kind",
            )

    def close(self) -> None:
        """Whoever still waits gets ChannelLost."""
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        self._reader.join(timeout=5)
        self._end.close()

    @contextlib.contextmanager
    def _known(self, exchange: Exchange) -> Iterator[Exchange]:
        with self._lock:
            if self._lost is not None:
                raise ChannelLost(self._lost)
            self._exchanges[exchange.id] = exchange
        try:
            yield exchange
        finally:
            with self._lock:
                self._exchanges.pop(exchange.id, None)

    def _send(self, frame: Frame) -> None:
        """Raises ChannelLost, and Overdue when the agent reads nothing for 10 s.

        The agent may be within a frame whose sender was interrupted or gave up; the rest of that goes first.
        """
        with self._sending:
            self._send_rest()
            self._rest = whole = memoryview(frame.packed())
            try:
                self._send_rest()
            except BaseException:
                begun, end = len(self._rest) < len(whole), Frame("K", frame.id).packed() if frame.kind == "r" else b""
                self._rest = memoryview(bytes(self._rest) + end if begun else b"")
                raise

    def _send_rest(self) -> None:
        while self._rest:
            piece = self._rest[:PIECE_BYTES]
            self._wait_for_room(len(piece))
            try:
                self._end.sendall(piece)
            except OSError as error:
                raise ChannelLost(f"the serial port closed: {error.strerror}") from error
            self._rest = self._rest[len(piece) :]

    def _wait_for_room(self, size: int) -> None:
        with self._read_on:
            there = self._read_on.wait_for(lambda: self._ahead < AHEAD_BYTES or self._lost is not None, SAY_S)
            self._ahead += size
        if self._lost is not None:
            raise ChannelLost(self._lost)
        if not there:
            raise Overdue(killed=False)

    def _read(self) -> None:
        frames, why = Frames(), "the serial port closed"
        try:
            while data := self._end.recv(65536):
                for frame in frames.feed(data):
                    self._take(frame)
        except OSError as error:
            why = str(error)
        with self._lock:
            self._lost = why
        self._drop_all(why)
        self._ready.set()

    def _take(self, frame: Frame) -> None:
        if frame.kind == "R":
            self._begin(frame)
        elif frame.kind == "c":
            self._make_room(frame.number)
        else:
            with self._lock:
                exchange = self._exchanges.get(frame.id)
            if exchange:
                exchange.take(frame)

    def _begin(self, frame: Frame) -> None:
        self._abilities = frozenset(frame.data.decode(errors="replace").split())
        self._make_room(self._ahead)
        if self._ready.is_set():
            self._drop_all("the agent in the guest was killed, and started again")
        self._ready.set()

    def _make_room(self, read_bytes: int) -> None:
        with self._read_on:
            self._ahead = max(0, self._ahead - read_bytes)
            self._read_on.notify_all()

    def _drop_all(self, why: str) -> None:
        self._make_room(self._ahead)
        with self._lock:
            exchanges = tuple(self._exchanges.values())
        for exchange in exchanges:
            exchange.take(ChannelLost(why))
