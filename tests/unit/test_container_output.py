"""Two streams arrive in one; they are taken apart wherever the network cut them."""

from __future__ import annotations

import struct

import pytest

from sandboxes.containers.output import Streams


def frame(kind: int, data: bytes) -> bytes:
    return struct.pack(">BxxxI", kind, len(data)) + data


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 1000])
def test_frames_may_be_cut_anywhere(size: int) -> None:
    wire = frame(1, b"out ") + frame(2, "é".encode()) + frame(1, b"") + frame(1, b"more")
    streams = Streams()
    for start in range(0, len(wire), size):
        streams.feed(wire[start : start + size])
    assert (streams.stdout, streams.stderr) == ("out more", "é")


def test_a_character_cut_between_frames_is_whole_again() -> None:
    streams = Streams()
    streams.feed(frame(1, "é".encode()[:1]) + frame(1, "é".encode()[1:]))
    assert streams.stdout == "é"


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    streams = Streams()
    streams.feed(frame(1, b"\xff"))
    assert streams.stdout == "\ufffd"


def test_too_much_output_is_cut_and_said_so() -> None:
    streams = Streams(kept_bytes=10)
    streams.feed(frame(1, b"0123456789abc") + frame(1, b"def") + frame(2, b"short"))
    assert streams.stdout.startswith("0123456789\n")
    assert "6 more bytes were written and not kept" in streams.stdout
    assert streams.stderr == "short"


def test_of_a_background_process_the_newest_is_kept() -> None:
    streams = Streams(kept_bytes=10, newest=True)
    for number in range(10):
        streams.feed(frame(1, str(number).encode() * 3))
    assert streams.stdout == "[cut here: 20 earlier bytes were written and not kept]\n6777888999"


def test_text_is_told_as_it_arrives_and_never_in_half_characters() -> None:
    told: list[tuple[str, str]] = []
    streams = Streams(kept_bytes=3, told=lambda stream, text: told.append((stream, text)))
    streams.feed(frame(1, b"abc" + "é".encode()[:1]) + frame(2, b"oh"))
    streams.feed(frame(1, "é".encode()[1:] + b"d"))
    assert told == [("stdout", "abc"), ("stderr", "oh"), ("stdout", "éd")]
