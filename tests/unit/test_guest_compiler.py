"""The agent is compiled from the source that is there, by a compiler from the cache alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandboxes.errors import GuestUnavailable, Unavailable
from sandboxes.guests import compiler


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(compiler, "guests_folder", lambda: tmp_path)
    (tmp_path / "compilers").mkdir()
    return tmp_path


def pretend(cache: Path, text: str) -> None:
    """A compiler that is a script."""
    program = cache / "compilers/tcc_1"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


def test_without_a_compiler_nothing_is_compiled() -> None:
    assert compiler.found_compiler() is None
    with pytest.raises(GuestUnavailable, match="no compiler"):
        compiler.agent_program()


def test_what_the_compiler_says_is_in_the_error(cache: Path) -> None:
    pretend(cache, "echo agent.c:1: bad >&2; exit 1")
    with pytest.raises(GuestUnavailable, match=r"agent\.c:1: bad"):
        compiler.agent_program()
    assert not (cache / "agents").exists()


def test_without_apt_the_compiler_that_is_there_stays(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*words: str, folder: Path | None = None) -> str:
        raise Unavailable("This machine has no apt.", seen="none", remedy="another")

    monkeypatch.setattr("sandboxes.apt.run", none)
    with pytest.raises(GuestUnavailable):
        compiler.prepare_compiler(lambda line: None)
    pretend(cache, "exit 1")
    assert compiler.prepare_compiler(lambda line: None) == cache / "compilers/tcc_1"
