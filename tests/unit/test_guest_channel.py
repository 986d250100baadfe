"""The host's end of the agent, against an agent of a few lines."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from sandboxes.guests import channel as module
from sandboxes.guests.channel import Channel, ChannelLost, Overdue
from sandboxes.guests.console import RING_BYTES, Console

Answer = Callable[[list[str], socket.socket], None]


class Agent:
    """Answers lines as the test says, and remembers them."""

    def __init__(self, end: socket.socket, answer: Answer) -> None:
        self.heard: list[list[str]] = []
        self._end, self._answer = end, answer
        end.sendall(b"ready\n")
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        lines = self._end.makefile("rb")
        for line in lines:
            words = line.decode().split()
            self.heard.append(words)
            if words[0] == "put":
                lines.read(int(words[2]))
            self._answer(words, self._end)


@pytest.fixture
def linked() -> Iterator[Callable[[Answer], tuple[Channel, Agent]]]:
    opened: list[Channel] = []
    ends: list[socket.socket] = []

    def link(answer: Answer) -> tuple[Channel, Agent]:
        near, far = socket.socketpair()
        opened.append(Channel(near))
        ends.append(far)
        return opened[-1], Agent(far, answer)

    yield link
    for channel in opened:
        channel.close()
    for end in ends:
        end.close()


def ended(command: str, status: int = 0, out: str = "", err: str = "") -> bytes:
    return f"={command} {status}\n{out}\n{command}:e\n{err}\n{command}:x\n".encode()


def obliging(words: list[str], end: socket.socket) -> None:
    if words[0] == "run":
        end.sendall(ended(words[1], 3, "out", "err"))
    elif words[0] == "long":
        end.sendall(ended(words[2], 0, "long"))
    elif words[0] == "start":
        end.sendall(f".{words[1]} 42 1234\n".encode())
    elif words[0] == "put":
        end.sendall(f".{words[1]} ok\n".encode())


def deaf(words: list[str], end: socket.socket) -> None:
    """Never answers anything."""


def test_status_and_streams_come_apart(linked: Callable[[Answer], tuple[Channel, Agent]]) -> None:
    channel, _ = linked(obliging)
    assert channel.wait_ready(5)
    seen = channel.run(["true"], 5)
    assert (seen.status, seen.stdout, seen.stderr) == (3, b"out", b"err")
    assert channel.start(["true"]) == (42, 1234)


def test_a_long_command_goes_in_pieces_each_confirmed(linked: Callable[[Answer], tuple[Channel, Agent]]) -> None:
    channel, agent = linked(obliging)
    assert channel.run(["x" * 10_000], 5).stdout == b"long"
    verbs = [words[0] for words in agent.heard]
    assert verbs == ["put"] * 3 + ["long"]
    assert sum(int(words[2]) for words in agent.heard[:3]) == len("$''") + 10_000


def test_a_late_command_is_killed_until_it_answers(linked: Callable[[Answer], tuple[Channel, Agent]]) -> None:
    kills = []

    def stubborn(words: list[str], end: socket.socket) -> None:
        if words[0] == "kill":
            kills.append(words[1])
            if len(kills) == 3:
                end.sendall(ended(words[1], 137, "so far"))

    channel, _ = linked(stubborn)
    with pytest.raises(Overdue) as raised:
        channel.run(["sleep"], 0.05)
    assert raised.value.killed
    assert raised.value.stdout == b"so far"
    assert len(kills) == 3


def test_a_deaf_guest_is_given_up(
    linked: Callable[[Answer], tuple[Channel, Agent]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KILL_FOR_S", 0.3)
    channel, _ = linked(deaf)
    begun = time.monotonic()
    with pytest.raises(Overdue) as raised:
        channel.run(["sleep"], 0.05)
    assert not raised.value.killed
    assert time.monotonic() - begun < 2


def test_answers_out_of_order_reach_who_asked(linked: Callable[[Answer], tuple[Channel, Agent]]) -> None:
    waiting: list[str] = []

    def backwards(words: list[str], end: socket.socket) -> None:
        waiting.append(words[1])
        if len(waiting) == 5:
            for command in waiting[::-1]:
                end.sendall(ended(command, 0, command))

    channel, agent = linked(backwards)
    found: dict[str, bytes] = {}

    def ask(word: str) -> None:
        found[word] = channel.run([word], 5).stdout

    threads = [threading.Thread(target=ask, args=(f"word{number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = {words[2]: words[1] for words in agent.heard}
    assert found == {f"word{number}": asked[f"$'word{number}'"].encode() for number in range(5)}


def test_the_end_of_the_guest_is_told_to_who_waits_and_who_comes_later(
    linked: Callable[[Answer], tuple[Channel, Agent]],
) -> None:
    channel, _ = linked(lambda words, end: end.shutdown(socket.SHUT_RDWR))
    with pytest.raises(ChannelLost):
        channel.run(["true"], 5)
    with pytest.raises(ChannelLost):
        channel.run(["true"], 5)


def test_an_agent_that_was_restarted_is_told_to_who_waits(linked: Callable[[Answer], tuple[Channel, Agent]]) -> None:
    calls = []

    def restarted(words: list[str], end: socket.socket) -> None:
        calls.append(words)
        if len(calls) == 1:
            end.sendall(b"ready\n")
        else:
            obliging(words, end)

    channel, _ = linked(restarted)
    assert channel.wait_ready(5)
    with pytest.raises(ChannelLost, match="started again"):
        channel.run(["true"], 5)
    assert channel.run(["true"], 5).status == 3


def test_the_console_keeps_its_last_megabyte() -> None:
    near, far = socket.socketpair()
    console = Console(near)
    for _ in range(48):
        far.sendall(b"x" * 65536)
    far.sendall(b"\r\nthe end\r\n\r\n")
    far.close()
    console.settle(5)
    assert len(console.text()) <= RING_BYTES
    assert console.tail(1) == "the end"
    console.close()
    assert console.tail(1) == "the end"
