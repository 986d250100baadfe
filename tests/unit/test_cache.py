"""What is kept in the cache is used while its content is what it was, and made anew otherwise."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandboxes.errors import StartFailed, Unavailable
from sandboxes.lifecycle.cache import kept, sha256

CONTENT = b"made with care " * 1000


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, list[Path], Callable[[Path], None]]:
    """Where it is kept, every path it was made at, and how it is made."""
    calls: list[Path] = []

    def make(path: Path) -> None:
        calls.append(path)
        path.write_bytes(CONTENT)
        (path.parent / "scratch").write_text("left behind")

    return tmp_path / "images" / "thing.tar", calls, make


Made = tuple[Path, list[Path], Callable[[Path], None]]


def test_it_is_made_once(made: Made) -> None:
    path, calls, make = made
    assert kept(path, make) == kept(path, make) == sha256(path)
    assert len(calls) == 1 and path.read_bytes() == CONTENT


def test_nothing_but_it_and_its_sum_is_left(made: Made) -> None:
    path, _, make = made
    kept(path, make)
    assert sorted(other.name for other in path.parent.iterdir()) == [".thing.tar.lock", "thing.tar", "thing.tar.sha256"]
    assert (
        subprocess.run(["sha256sum", "-c", "--quiet", "thing.tar.sha256"], cwd=path.parent, check=False).returncode == 0
    )


def truncated(path: Path) -> None:
    path.write_bytes(CONTENT[:-1])


def flipped(path: Path) -> None:
    data = bytearray(CONTENT)
    data[7] ^= 1
    path.write_bytes(data)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def removed(path: Path) -> None:
    path.unlink()


def without_sum(path: Path) -> None:
    path.with_name(f"{path.name}.sha256").unlink()


def with_a_broken_sum(path: Path) -> None:
    path.with_name(f"{path.name}.sha256").write_bytes(b"\xff\xfe not a sum")


@pytest.mark.parametrize("damage", [truncated, flipped, emptied, removed, without_sum, with_a_broken_sum])
def test_whatever_is_damaged_is_made_anew(made: Made, damage: Callable[[Path], None]) -> None:
    path, calls, make = made
    known = kept(path, make)
    damage(path)
    assert kept(path, make) == known
    assert len(calls) == 2 and path.read_bytes() == CONTENT


def test_what_a_killed_process_left_is_swept(made: Made) -> None:
    path, _, make = made
    left = path.parent / f".{path.name}-abcdefgh"
    left.mkdir(parents=True)
    (left / "half").write_bytes(CONTENT)
    kept(path, make)
    assert not left.exists()


def test_a_failure_leaves_what_was_there_and_nothing_else(made: Made) -> None:
    path, _, make = made
    kept(path, make)
    flipped(path)

    def fails(fresh: Path) -> None:
        fresh.write_bytes(b"half")
        raise StartFailed("It broke.", seen="half", remedy="none")

    with pytest.raises(StartFailed):
        kept(path, fails)
    assert len(list(path.parent.iterdir())) == 3


def test_a_cache_that_cannot_be_written_is_one_readable_error(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match="XDG_CACHE_HOME"):
        kept(tmp_path / "images" / "thing.tar", lambda path: path.write_bytes(b"") and None)


def test_two_who_want_it_at_once_make_it_once(made: Made) -> None:
    path, calls, make = made

    def slowly(fresh: Path) -> None:
        time.sleep(0.2)
        make(fresh)

    with ThreadPoolExecutor(4) as crowd:
        sums = set(crowd.map(lambda _: kept(path, slowly), range(4)))
    assert sums == {sha256(path)} and len(calls) == 1
