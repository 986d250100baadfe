"""Bad arguments are named before anything starts."""

import math

import pytest

from sandboxes import request
from sandboxes.errors import BadRequest, SandboxError

GIB = 1 << 30


@pytest.mark.parametrize(
    ("text", "size"),
    [("128M", 128 << 20), ("128 MiB", 128 << 20), ("64mb", 64 << 20), ("1G", GIB), (4096, 4096), ("65536", 65536)],
)
def test_sizes_are_powers_of_1024(text, size):
    assert request.size_bytes("memory", text, least=1, most=8 * GIB) == size


@pytest.mark.parametrize(
    "wrong", ["-1", "1T", "", "M", "12X", "1e9", "٣M", "9" * 40, 1.5, None, True, [], -1, 0, "10" * 10**6]
)
def test_a_size_that_cannot_work_names_its_field(wrong):
    with pytest.raises(BadRequest) as caught:
        request.size_bytes("memory", wrong, least=1024, most=8 * GIB)
    assert caught.value.field == "memory"
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, -1, 0, 1e12, "1", None, True])
def test_a_number_that_cannot_work_names_its_field(wrong):
    with pytest.raises(BadRequest) as caught:
        request.number("cpus", wrong, least=0.01, most=64)
    assert caught.value.field == "cpus"


@pytest.mark.parametrize("wrong", [1.0, "2", True, None, 0, 10**9])
def test_a_count_is_a_whole_number_in_range(wrong):
    with pytest.raises(BadRequest):
        request.count("pids", wrong, least=1, most=1000)


@pytest.mark.parametrize(
    "wrong", ["", "   ", [], [""], "ls\0", ["ls", "a\0b"], "x" * 10_000_000, b"ls", 7, None, ["ls", 1], {"ls": 1}]
)
def test_a_command_that_cannot_work_is_refused(wrong):
    with pytest.raises(BadRequest) as caught:
        request.argv(wrong)
    assert caught.value.field == "command"
    assert len(str(caught.value)) < 600


def test_text_goes_to_a_shell_and_words_do_not():
    assert request.argv("ls; id") == ("sh", "-c", "ls; id")
    assert request.argv(["ls", "; id", "$(id)"]) == ("ls", "; id", "$(id)")


def test_an_error_is_three_lines_and_also_a_value_error():
    with pytest.raises(ValueError, match="is not a size") as caught:
        request.size_bytes("memory", "lots", least=1, most=GIB)
    what, seen, remedy = str(caught.value).splitlines()
    assert what.startswith("memory:")
    assert seen.startswith("  seen: ")
    assert remedy.startswith("  try:  ")
    assert isinstance(caught.value, SandboxError)
