"""Users of a guest are found by name or number in its own tables."""

from __future__ import annotations

import pytest

from sandboxes.errors import BadRequest
from sandboxes.guests.users import numbers

TABLES = "root:x:0:0:root:/root:/bin/sh\nreader:x:1000:100::/:/bin/sh\n==\nroot:x:0:\nusers:x:100:reader\n"


@pytest.mark.parametrize(
    ("user", "found"),
    [
        ("root", "0:0"),
        ("reader", "1000:100"),
        ("1000", "1000:100"),
        ("7", "7:0"),
        ("reader:root", "1000:0"),
        ("7:users", "7:100"),
        ("1:2", "1:2"),
    ],
)
def test_names_and_numbers_become_two_numbers(user: str, found: str) -> None:
    assert numbers(user, TABLES) == found


@pytest.mark.parametrize("user", ["nobody", "root:nobody", ""])
def test_who_is_not_there_is_told_with_who_is(user: str) -> None:
    with pytest.raises(BadRequest, match="one of root, reader"):
        numbers(user, TABLES)
