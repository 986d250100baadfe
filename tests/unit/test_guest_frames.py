"""What the agent sends is taken apart the same way however it arrives, and whatever comes between."""

from __future__ import annotations

import random

import pytest

from sandboxes.guests.frames import MOST_BYTES, NOBODY, Frame, Frames

FRAMES = [
    Frame("R", NOBODY, b"stream"),
    Frame("o", "a" * 16, b"\1x\n\0\xff"),
    Frame("x", "0123456789abcdef", b"3"),
    Frame("o", "b" * 16, Frame("x", "a" * 16, b"0").packed()),
    Frame("e", "a" * 16),
]
STREAM = b"".join(frame.packed() for frame in FRAMES)


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 26, 27, 64, len(STREAM)])
def test_pieces_of_any_length_give_the_same_frames(piece: int) -> None:
    frames = Frames()
    found = [frame for at in range(0, len(STREAM), piece) for frame in frames.feed(STREAM[at : at + piece])]
    assert found == FRAMES


@pytest.mark.parametrize(
    "noise",
    [b"noise\n", b"\1", b"\1o", b"\1\1\1", FRAMES[1].packed()[:20], b"\1o" + b"g" * 24 + b"\n", bytes(100_000)],
)
def test_what_is_no_frame_is_passed_over(noise: bytes) -> None:
    assert list(Frames().feed(noise + STREAM)) == FRAMES


def test_random_bytes_are_passed_over_and_not_kept() -> None:
    frames, source = Frames(), random.Random(1)
    for _ in range(200):
        assert list(frames.feed(source.randbytes(65536))) == []
    assert list(frames.feed(STREAM)) == FRAMES


def test_a_head_that_announces_more_than_an_agent_sends_is_none() -> None:
    head = Frame("o", "a" * 16).packed().replace(b"00000000\n", b"%08x\n" % MOST_BYTES)
    assert list(Frames().feed(head + STREAM)) == FRAMES


def test_a_number_that_is_none_counts_as_zero() -> None:
    assert [Frame("x", NOBODY, data).number for data in (b"137", b"", b"-1", b"9" * 30)] == [137, 0, 0, 0]
