"""Words reach the guest's shell as text, whatever is in them."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from sandboxes.guests.words import quoted

NASTY = [
    "plain",
    "",
    " two  words ",
    "it's",
    '"',
    "\\",
    "\\n",
    "\\'",
    "a\nb\n",
    "\r\n",
    "\t",
    "$HOME `id` $(id) ${x} *",
    "; id #",
    "é ü 漢字 🐧",
    "\x01\x07\x1b[31m\x7f",
    "$'x'",
    "-n",
    "\\x41\\0101",
]


def test_the_words_are_one_line() -> None:
    assert b"\n" not in quoted(NASTY)
    assert b"\r" not in quoted(NASTY)


@pytest.mark.parametrize("words", [NASTY, *[[word] for word in NASTY]], ids=lambda words: ascii(words)[:30])
def test_busybox_reads_back_what_was_quoted(words: list[str]) -> None:
    busybox = shutil.which("busybox")
    if not busybox:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no busybox on PATH")
    script = b'read -r line; eval "set -- $line"; for word; do printf "%s\\0" "$word"; done'
    done = subprocess.run(
        [str(busybox), "sh", "-c", script], input=quoted(words) + b"\n", capture_output=True, check=True, timeout=10
    )
    assert done.stdout.decode().split("\0")[:-1] == words
