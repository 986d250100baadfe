"""Two books on one machine: what happens to one of them never touches the other's things."""

from __future__ import annotations

import pytest

from sandboxes.containers.private import PrivateEngine
from sandboxes.lifecycle import sweep
from tests.faults.books import ANSWERING, Book, book, gone, held, python
from tests.machine import left_of

pytestmark = pytest.mark.usefixtures("engine_ready")

CLEAN = """
from pathlib import Path
from book import cleaning
cleaning.MADE, cleaning.ROOT = (), Path("/nonexistent")
cleaning.clean()
"""
"""All of `./textbook clean` but for this checkout's own files."""


def waiting() -> int:
    """Dead owners of other tests that stay, because an engine that they used has still to be told."""
    sweep.sweep()
    return sweep.sweep()


def end(doomed: Book, how: str) -> None:
    others = waiting()
    if how == "ended":
        assert doomed.end() == []
        assert doomed.process.returncode == 0
        return
    doomed.kill(guard=how != "killed")
    if how == "swept":
        assert python("from sandboxes.lifecycle import owner; owner()").returncode == 0
    elif how == "cleaned":
        done = python(CLEAN)
        assert f"swept {others + 1} dead owner" in done.stdout, done.stderr


@pytest.mark.parametrize("how", ["killed", "swept", "cleaned", "ended"])
def test_the_end_of_one_book_leaves_the_other_as_it_is(how: str) -> None:
    with book(ANSWERING) as neighbour, book(ANSWERING) as doomed:
        assert (neighbour.ask("one"), doomed.ask("other")) == ("one", "other")
        before = set(left_of(neighbour.id))
        assert {text.partition(":")[0] for text in before} >= {"processes", "folders"}
        end(doomed, how)
        gone(doomed)
        assert set(left_of(neighbour.id)) == before
        assert neighbour.ask("still here") == "still here"
    gone(neighbour)


def test_cleaning_beside_a_living_book_takes_nothing_of_it() -> None:
    with book(ANSWERING) as living:
        assert living.ask("before") == "before"
        before = set(left_of(living.id))
        others = waiting()
        done = python(CLEAN)
        assert f"swept {others} dead owner" in done.stdout, done.stderr
        assert set(left_of(living.id)) == before
        assert living.ask("after") == "after"


def test_two_books_in_one_engine_have_containers_and_networks_of_their_own(shared: PrivateEngine) -> None:
    with (
        book(ANSWERING, DOCKER_HOST=shared.endpoint.url) as neighbour,
        book(ANSWERING, DOCKER_HOST=shared.endpoint.url) as doomed,
    ):
        assert (neighbour.ask("one"), doomed.ask("other")) == ("one", "other")
        theirs = held(shared.api, neighbour.id)
        assert {entry.split()[0] for entry in theirs} == {"container", "network"}
        assert theirs.isdisjoint(held(shared.api, doomed.id))
        doomed.kill()
        gone(doomed)
        assert held(shared.api, neighbour.id) == theirs
        assert neighbour.ask("still here") == "still here"
