"""The host's end of the agent, against an agent of a few lines."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from sandboxes.errors import Unavailable
from sandboxes.guests import exchange as module
from sandboxes.guests.channel import AHEAD_BYTES, PIECE_BYTES, Channel
from sandboxes.guests.console import RING_BYTES, Console
from sandboxes.guests.exchange import INPUT_BYTES, MORE_BYTES, WAITING_BYTES, ChannelLost, Exchange, Overdue, Request
from sandboxes.guests.frames import NOBODY, Frame, Frames
from sandboxes.output import Output
from sandboxes.setting import Setting

Answer = Callable[[Frame], list[Frame]]
Link = Callable[[Answer], tuple[Channel, "Agent"]]
TRUE = Request(("true",))


class Agent:
    """Answers frames as the test says, and remembers them. It says what it has read, as the real ones do."""

    def __init__(self, end: socket.socket, answer: Answer, abilities: bytes) -> None:
        self.heard: list[Frame] = []
        self._end, self._answer = end, answer
        end.sendall(Frame("R", NOBODY, abilities).packed())
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        frames = Frames()
        while data := self._end.recv(4096):
            self._end.sendall(Frame("c", NOBODY, b"%d" % len(data)).packed())
            for frame in frames.feed(data):
                self.heard.append(frame)
                for answer in self._answer(frame):
                    self._end.sendall(answer.packed())


@pytest.fixture
def linked() -> Iterator[Link]:
    opened: list[Channel] = []
    ends: list[socket.socket] = []

    def link(answer: Answer, abilities: bytes = b"identify input stream user") -> tuple[Channel, Agent]:
        near, far = socket.socketpair()
        opened.append(Channel(near))
        ends.append(far)
        agent = Agent(far, answer, abilities)
        assert opened[-1].wait_ready(5)
        return opened[-1], agent

    yield link
    for channel in opened:
        channel.close()
    for end in ends:
        end.close()


def eventually(true: Callable[[], bool]) -> bool:
    """It became true: what was sent may be read a moment later."""
    until = time.monotonic() + 5
    while not true() and time.monotonic() < until:
        time.sleep(0.01)
    return true()


def ended(id_: str, status: int = 0, out: bytes = b"", err: bytes = b"") -> list[Frame]:
    said = [Frame(kind, id_, data) for kind, data in (("o", out), ("e", err)) if data]
    return [Frame("p", id_, b"42"), *said, Frame("x", id_, b"%d" % status)]


def obliging(frame: Frame) -> list[Frame]:
    return ended(frame.id, 3, b"out", b"err") if frame.kind in "rn" else []


def deaf(frame: Frame) -> list[Frame]:
    return []


def test_status_and_streams_come_apart(linked: Link) -> None:
    channel, agent = linked(obliging)
    heard: list[tuple[str, str]] = []
    output = Output(told=lambda stream, text: heard.append((stream, text)))
    assert channel.run(TRUE, 5, output) == 3
    assert heard == [("stdout", "out"), ("stderr", "err")]
    assert (output.stdout, output.stderr) == ("out", "err")
    assert agent.heard[0].data == b"$'' $'' $'' $'0' $'true'\n"


def test_options_go_before_the_words(linked: Link) -> None:
    channel, agent = linked(obliging)
    channel.run(Request(("a", "b"), Setting("/tmp", "1:2", {"X": "it's"}, b"")), 5, Output())
    assert agent.heard[0].data == rb"$'i' $'/tmp' $'1:2' $'1' $'X=it\'s' $'a' $'b'" + b"\n"
    assert eventually(lambda: agent.heard[1:] == [Frame("i", agent.heard[0].id)])


def test_a_late_command_is_killed_until_it_answers(linked: Link) -> None:
    kills = []

    def stubborn(frame: Frame) -> list[Frame]:
        kills.extend([frame] if frame.kind == "K" else [])
        return ended(frame.id, 137, b"so far") if len(kills) == 3 else []

    channel, _ = linked(stubborn)
    output = Output()
    with pytest.raises(Overdue) as raised:
        channel.run(TRUE, 0.05, output)
    assert raised.value.killed
    assert (output.stdout, len(kills)) == ("so far", 3)


def test_a_deaf_guest_is_given_up(linked: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KILL_FOR_S", 0.3)
    channel, _ = linked(deaf)
    begun = time.monotonic()
    with pytest.raises(Overdue) as raised:
        channel.run(TRUE, 0.05, Output())
    assert not raised.value.killed
    assert time.monotonic() - begun < 2


def test_what_a_listener_raises_ends_the_command(linked: Link) -> None:
    def broken(stream: str, text: str) -> None:
        raise LookupError(stream)

    def talks_and_dies(frame: Frame) -> list[Frame]:
        return [Frame("o", frame.id, b"x")] if frame.kind == "r" else ended(frame.id)

    channel, agent = linked(talks_and_dies)
    with pytest.raises(LookupError):
        channel.run(TRUE, 5, Output(told=broken))
    assert [frame.kind for frame in agent.heard] == ["r", "K"]


def test_answers_out_of_order_reach_who_asked(linked: Link) -> None:
    waiting: list[Frame] = []

    def backwards(frame: Frame) -> list[Frame]:
        waiting.append(frame)
        return (
            [answer for asked in waiting[::-1] for answer in ended(asked.id, 0, asked.data)]
            if len(waiting) == 5
            else []
        )

    channel, _ = linked(backwards)
    found: dict[str, Output] = {}

    def ask(word: str) -> None:
        found[word] = Output()
        channel.run(Request((word,)), 5, found[word])

    threads = [threading.Thread(target=ask, args=(f"word{number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {word: output.stdout.split()[-1] for word, output in found.items()} == {
        f"word{number}": f"$'word{number}'" for number in range(5)
    }


def test_input_waits_until_the_agent_has_room(linked: Link) -> None:
    taken: list[int] = []

    def slow(frame: Frame) -> list[Frame]:
        if frame.kind == "i" and not frame.data:
            return ended(frame.id)
        taken.extend([len(frame.data)] if frame.kind == "i" else [])
        ahead = sum(taken) - INPUT_BYTES * (len(taken) // 4 - 1)
        assert ahead <= 2 * INPUT_BYTES
        return [Frame("g", frame.id, b"%d" % INPUT_BYTES)] if frame.kind == "i" and len(taken) % 4 == 0 else []

    channel, agent = linked(slow)
    data = bytes(range(256)) * 512
    assert channel.run(Request(("cat",), Setting(input=data)), 5, Output()) == 0
    assert b"".join(frame.data for frame in agent.heard if frame.kind == "i") == data


def test_input_beyond_what_the_agent_holds_is_not_sent_unasked(linked: Link) -> None:
    channel, agent = linked(deaf)
    with channel.open(Request(("cat",), Setting(input=bytes(100_000)))) as exchange, pytest.raises(queue.Empty):
        exchange.ended(time.monotonic() + 0.3, Output())
    assert eventually(lambda: sum(len(frame.data) for frame in agent.heard if frame.kind == "i") == INPUT_BYTES)


def test_more_output_is_asked_for_when_it_was_taken(linked: Link) -> None:
    def wordy(frame: Frame) -> list[Frame]:
        return [Frame("o", frame.id, bytes(4096))] * 40 + ended(frame.id) if frame.kind == "r" else []

    channel, agent = linked(wordy)
    channel.run(TRUE, 5, Output())
    expected = [("m", MORE_BYTES)] * 2
    assert eventually(lambda: [(frame.kind, frame.number) for frame in agent.heard[1:]] == expected)


def test_output_that_nobody_asked_for_does_not_pile_up() -> None:
    exchange, output = Exchange(lambda frame: None), Output()
    for _ in range(300):
        exchange.take(Frame("o", exchange.id, bytes(65536)))
    with pytest.raises(queue.Empty):
        exchange.ended(time.monotonic() + 1, output)
    assert WAITING_BYTES - 65536 <= len(output.stdout_bytes) <= WAITING_BYTES + 65536


def test_who_is_told_slowly_does_not_move_the_deadline(linked: Link) -> None:
    def wordy(frame: Frame) -> list[Frame]:
        return [Frame("o", frame.id, b"x")] * 1000 if frame.kind == "r" else ended(frame.id, 137)

    channel, _ = linked(wordy)
    begun = time.monotonic()
    with pytest.raises(Overdue) as raised:
        channel.run(TRUE, 0.1, Output(told=lambda stream, text: time.sleep(0.05)))
    assert raised.value.killed
    assert time.monotonic() - begun < 5


def test_no_more_is_sent_than_the_agent_has_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandboxes.guests.channel.SAY_S", 0.3)
    near, far = socket.socketpair()
    channel = Channel(near, awake=True)
    try:
        with pytest.raises(Overdue):
            channel.run(Request(("x" * 100_000,)), 5, Output())
        far.setblocking(False)
        assert AHEAD_BYTES <= len(far.recv(1 << 20)) <= AHEAD_BYTES + PIECE_BYTES
    finally:
        channel.close()
        far.close()


def test_a_guest_is_told_who_it_is_in_one_request(linked: Link) -> None:
    channel, agent = linked(lambda frame: ended(frame.id))
    channel.identify("name", "ab" * 16, b"\0\xff", 12345)
    assert [(frame.kind, frame.data) for frame in agent.heard] == [("n", b"name\n" + b"ab" * 16 + b"\n12345\n00ff\n")]


def test_an_agent_that_cannot_do_it_is_told(linked: Link) -> None:
    refusing, _ = linked(obliging)
    with pytest.raises(ChannelLost, match="could not be told who it is"):
        refusing.identify("name", "ab" * 16, b"seed", 1)
    simple, agent = linked(obliging, b"")
    for ask in (
        lambda: simple.identify("name", "ab" * 16, b"seed", 1),
        lambda: simple.run(Request(("cat",), Setting(input=b"")), 5, Output()),
        lambda: simple.run(Request(("id",), Setting(user="1:1")), 5, Output()),
    ):
        with pytest.raises(Unavailable, match="busybox sh"):
            ask()
    assert agent.heard == []


def test_the_end_of_the_guest_is_told_to_who_waits_and_who_comes_later() -> None:
    near, far = socket.socketpair()
    channel = Channel(near, awake=True)
    threading.Timer(0.1, far.close).start()
    for _ in range(2):
        with pytest.raises(ChannelLost):
            channel.run(TRUE, 5, Output())
    channel.close()


def test_an_agent_that_was_restarted_is_told_to_who_waits(linked: Link) -> None:
    calls: list[Frame] = []

    def restarted(frame: Frame) -> list[Frame]:
        calls.append(frame)
        return [Frame("R", NOBODY)] if len(calls) == 1 else ended(frame.id, 3)

    channel, _ = linked(restarted)
    with pytest.raises(ChannelLost, match="started again"):
        channel.run(TRUE, 5, Output())
    assert channel.run(TRUE, 5, Output()) == 3


def test_the_console_keeps_its_last_megabyte() -> None:
    near, far = socket.socketpair()
    console = Console(near)
    for _ in range(1600):
        far.sendall(b"x" * 65536)
    far.sendall(b"\r\nthe end\r\n\r\n")
    far.close()
    console.settle(5)
    assert len(console.text()) <= RING_BYTES
    assert console.tail(1) == "the end"
    console.close()
    assert console.tail(1) == "the end"
