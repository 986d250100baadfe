"""What the agent sends is taken apart the same way however it arrives."""

from __future__ import annotations

import pytest

from sandboxes.guests.replies import PENDING_BYTES, Ended, Garbled, Ready, Replies, Said

STREAM = (
    b"ready\n"
    + b"=aa 3\nout\n\naa:e\nerr\n\naa:x\n"
    + b".bb 42 1234\n"
    + b"=cc 0\n\ncc:e\n\ncc:x\n"
    + b"=dd 0\n\0\xff\nready\n.aa 1\n\nee:e\n\ndd:e\n\ndd:x\n"
)
REPLIES = [
    Ready(),
    Ended("aa", 3, b"out\n", b"err\n"),
    Said("bb", ("42", "1234")),
    Ended("cc", 0, b"", b""),
    Ended("dd", 0, b"\0\xff\nready\n.aa 1\n\nee:e\n", b""),
]


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64, len(STREAM)])
def test_pieces_of_any_length_give_the_same_replies(piece: int) -> None:
    replies = Replies()
    found = [reply for at in range(0, len(STREAM), piece) for reply in replies.feed(STREAM[at : at + piece])]
    assert found == REPLIES


@pytest.mark.parametrize("line", [b"noise\n", b"\n", b"=aa\n", b"=aa x\n", b".\n", b"\xff\xfe\n", b"= 1 2 3\n"])
def test_a_line_that_is_none_of_the_agents_is_passed_over(line: bytes) -> None:
    assert list(Replies().feed(line + b"ready\n")) == [Ready()]


def test_an_endless_reply_is_refused_before_it_fills_memory() -> None:
    replies = Replies()
    with pytest.raises(Garbled):
        for _ in range(PENDING_BYTES // 65536 + 2):
            list(replies.feed(bytes(65536)))
