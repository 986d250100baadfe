"""The waiting shell gets the words of a command as they are, and runs the program that the runtime would run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping

import pytest

from sandboxes.containers.door import _PREPARE, fits, line

SHELLS = [words for words in (["busybox", "sh"], ["dash"]) if shutil.which(words[0])]
WORDS = ["it's", "", "a b", "$HOME", "`id`", "\\", '"', "a\nb", "*", "~", "é", "-n", "x" * 100_000, "'", "''\\''"]


def through(shell: list[str], argv: tuple[str, ...], env: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    given = _PREPARE.encode() + line(argv)
    return subprocess.run(shell, input=given, env=dict(env), capture_output=True, timeout=20, check=False)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_every_word_arrives_as_it_is(shell: list[str]) -> None:
    done = through(shell, ("printf", "%s\\0", *WORDS), {"PATH": "/bin:/usr/bin"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == "ready\n" + "".join(f"{word}\0" for word in WORDS)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_the_environment_is_the_one_that_the_shell_was_given(shell: list[str]) -> None:
    given = {"PATH": "/usr/bin:/bin", "COLOUR": "light blue"}
    done = through(shell, ("env",), given)
    seen = dict(text.split("=", 1) for text in done.stdout.decode().splitlines()[1:])
    assert seen == given


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_status_and_streams_are_those_of_the_program(shell: list[str]) -> None:
    done = through(shell, ("sh", "-c", "echo out; echo err >&2; cat; exit 7"), {"PATH": "/bin:/usr/bin"})
    assert (done.returncode, done.stdout, done.stderr) == (7, b"ready\nout\n", b"err\n"), "and its input is at its end"


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_a_program_that_is_not_there_is_named(shell: list[str]) -> None:
    done = through(shell, ("no-such-program", "x"), {"PATH": "/bin:/usr/bin"})
    assert done.returncode == 127 and b"no-such-program" in done.stderr and done.stdout == b"ready\n"


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_without_a_command_the_shell_ends_and_nothing_has_run(shell: list[str]) -> None:
    done = subprocess.run(shell, input=_PREPARE.encode(), capture_output=True, timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"ready\n", b"")


def test_a_shell_that_would_change_the_environment_is_none() -> None:
    done = subprocess.run(["bash"], input=_PREPARE.encode(), capture_output=True, timeout=20, check=False)
    assert done.stdout == b"", "it ends before it is ready"


def test_what_is_no_text_does_not_go_through_the_door() -> None:
    assert fits(("echo", "é")) and not fits(("echo", "\udcff"))
