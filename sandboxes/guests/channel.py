"""The host's end of the agent: commands in, exit status and both streams out, over the second serial port."""

from __future__ import annotations

import contextlib
import queue
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Sequence

from sandboxes.guests.replies import Ended, Garbled, Ready, Replies, Said
from sandboxes.guests.words import quoted

LINE_BYTES = 2000
PIECE_BYTES = 3500
"""The guest's line discipline holds 4096 bytes (N_TTY_BUF_SIZE); what comes faster than it is read may be lost."""

KILL_EVERY_S, KILL_FOR_S, SAY_S = 0.1, 3.0, 10.0


class ChannelLost(Exception):
    """The guest has ended, or its agent was restarted while a command was running."""


class Overdue(Exception):
    """The command did not end in time. `killed` tells whether the guest confirmed that it is gone now."""

    def __init__(self, stdout: bytes = b"", stderr: bytes = b"", *, killed: bool) -> None:
        self.stdout, self.stderr, self.killed = stdout, stderr, killed
        super().__init__()


class _Exchange:
    """One command and what the agent says about it."""

    def __init__(self) -> None:
        self.id = secrets.token_hex(8)
        self.inbox: queue.SimpleQueue[Said | Ended | ChannelLost] = queue.SimpleQueue()

    def hear(self, until: float) -> Said | Ended:
        """Raises queue.Empty at `until` (monotonic), ChannelLost."""
        heard = self.inbox.get(timeout=max(0.0, until - time.monotonic()))
        if isinstance(heard, ChannelLost):
            raise heard
        return heard


class Channel:
    """Any thread may use it at any time: commands run side by side in the guest and are told apart by random ids."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._exchanges: dict[str, _Exchange] = {}
        self._lost: str | None = None
        self._ready = threading.Event()
        self._sending, self._lock = threading.Lock(), threading.Lock()
        self._reader = threading.Thread(target=self._read, name="guest agent", daemon=True)
        self._reader.start()

    def wait_ready(self, timeout_s: float) -> bool:
        """True when the agent answers, False when it is too slow. Raises ChannelLost when the guest ended."""
        self._ready.wait(timeout_s)
        if self._lost is not None:
            raise ChannelLost(self._lost)
        return self._ready.is_set()

    def run(self, words: Sequence[str], timeout_s: float) -> Ended:
        """The finished command. At the deadline, and when the caller is interrupted, its session is killed.

        Raises Overdue, ChannelLost.
        """
        until = time.monotonic() + timeout_s
        with self._exchange() as exchange:
            try:
                self._ask("run", exchange, words)
                return _ended(exchange.hear(until))
            except queue.Empty:
                raise self._killed(exchange) from None
            except KeyboardInterrupt:
                self._killed(exchange)
                raise

    def start(self, words: Sequence[str]) -> tuple[int, int]:
        """Pid and start time (field 22 of proc_pid_stat(5)) of a command that now runs by itself.

        Raises Overdue, ChannelLost.
        """
        with self._exchange() as exchange:
            try:
                self._ask("start", exchange, words)
                pid, started = _said(exchange.hear(time.monotonic() + SAY_S)).words
            except queue.Empty:
                raise Overdue(killed=False) from None
        return int(pid), int(started)

    def close(self) -> None:
        """Whoever still waits gets ChannelLost."""
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        self._reader.join(timeout=5)
        self._end.close()

    @contextlib.contextmanager
    def _exchange(self) -> Iterator[_Exchange]:
        exchange = _Exchange()
        with self._lock:
            if self._lost is not None:
                raise ChannelLost(self._lost)
            self._exchanges[exchange.id] = exchange
        try:
            yield exchange
        finally:
            with self._lock:
                self._exchanges.pop(exchange.id, None)

    def _ask(self, verb: str, exchange: _Exchange, words: Sequence[str]) -> None:
        line = quoted(words)
        with self._sending:
            if len(line) <= LINE_BYTES:
                self._send(f"{verb} {exchange.id} ".encode() + line)
                return
            for start in range(0, len(line), PIECE_BYTES):
                piece = line[start : start + PIECE_BYTES]
                self._send(f"put {exchange.id} {len(piece)}".encode(), piece)
                exchange.hear(time.monotonic() + SAY_S)
            self._send(f"long {verb} {exchange.id}".encode())

    def _send(self, line: bytes, data: bytes = b"") -> None:
        try:
            self._end.sendall(line + b"\n" + data)
        except OSError as error:
            raise ChannelLost(f"the serial port closed: {error.strerror}") from error

    def _killed(self, exchange: _Exchange) -> Overdue:
        """Asked again and again: the command may not have its session yet when the first request comes."""
        until = time.monotonic() + KILL_FOR_S
        while time.monotonic() < until:
            with self._sending:
                self._send(f"kill {exchange.id}".encode())
            with contextlib.suppress(queue.Empty):
                ended = _ended(exchange.hear(time.monotonic() + KILL_EVERY_S))
                return Overdue(ended.stdout, ended.stderr, killed=True)
        return Overdue(killed=False)

    def _read(self) -> None:
        replies, why = Replies(), "the serial port closed"
        try:
            while data := self._end.recv(65536):
                for reply in replies.feed(data):
                    self._take(reply)
        except (OSError, Garbled) as error:
            why = str(error)
        with self._lock:
            self._lost = why
        self._drop_all(why)
        self._ready.set()

    def _take(self, reply: Ready | Said | Ended) -> None:
        if not isinstance(reply, Ready):
            with self._lock:
                exchange = self._exchanges.get(reply.id)
            if exchange:
                exchange.inbox.put(reply)
        elif self._ready.is_set():
            self._drop_all("the agent in the guest was killed, and started again")
        else:
            self._ready.set()

    def _drop_all(self, why: str) -> None:
        with self._lock:
            exchanges = tuple(self._exchanges.values())
        for exchange in exchanges:
            exchange.inbox.put(ChannelLost(why))


def _ended(reply: Said | Ended) -> Ended:
    if not isinstance(reply, Ended):
        raise ChannelLost(f"the agent spoke out of turn: {reply}")
    return reply


def _said(reply: Said | Ended) -> Said:
    if not isinstance(reply, Said):
        raise ChannelLost(f"the agent spoke out of turn: {reply}")
    return reply
