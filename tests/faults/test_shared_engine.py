"""In an engine that others use too, the dead book's things go, of every kind, and nobody else's."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import pytest

from sandboxes.containers.private import PrivateEngine
from sandboxes.lifecycle import LABEL
from tests.faults.books import ANSWERING, Book, book, gone, gone_after_s, held, part, python
from tests.live.unprivileged import user
from tests.machine import left_of

pytestmark = pytest.mark.usefixtures("engine_ready")

MAKING = """
import io, sandboxes.containers as c
box = c.container(network=True)
api, label = c.engine().api, owner().label
api.create_volume("of-" + owner().id, labels=label)
api.create_container(box.image, ["true"], volumes=["/data"], labels=label)
dockerfile = f"FROM {box.image}\\nRUN echo built > /tmp/built\\n"
text = io.BytesIO(dockerfile.encode())
list(api.build(fileobj=text, tag="of-" + owner().id, labels=label, network_mode="none", rm=True))
print("made", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def strangers(shared: PrivateEngine) -> set[str]:
    """One of each kind without a label, and one of each that carries the label of somebody else."""
    python("import sandboxes.containers as c; c.container().close()", DOCKER_HOST=shared.endpoint.url)
    image = next(tag for entry in shared.api.images() for tag in entry["RepoTags"])
    for labels in ({}, {LABEL: "somebodyelse"}, {"other": "label"}):
        made = shared.api.create_container(image, ["true"], labels=labels)
        shared.api.create_network(f"net{len(held(shared.api))}", labels=labels)
        shared.api.create_volume(labels=labels)
        shared.api.commit(made["Id"], repository="of-a-stranger", tag=f"t{len(held(shared.api))}")
    return held(shared.api)


@pytest.mark.parametrize("how", ["killed", "killed with its guard", "ended"])
def test_only_what_the_book_made_goes_when_it_is(how: str, shared: PrivateEngine, strangers: set[str]) -> None:
    with book(ANSWERING, DOCKER_HOST=shared.endpoint.url) as neighbour:
        assert neighbour.ask("first") == "first"
        theirs = held(shared.api)
        dead = Book(MAKING, DOCKER_HOST=shared.endpoint.url)
        assert dead.read() == "made"
        assert {entry.split()[0] for entry in held(shared.api, dead.id)} == {"container", "network", "volume", "image"}
        if how == "ended":
            dead.end()
        else:
            dead.kill(guard="guard" in how)
        if "guard" in how:
            assert python("from sandboxes.lifecycle import owner; owner()").returncode == 0
        gone_after_s(lambda: held(shared.api) - theirs)
        gone(dead)
        assert held(shared.api) == theirs > strangers
        assert neighbour.ask("still") == "still"
        assert held(shared.api, neighbour.id)
    gone_after_s(lambda: held(shared.api) - strangers)
    assert held(shared.api) == strangers


def test_an_engine_that_hangs_does_not_keep_a_book_from_ending(shared: PrivateEngine) -> None:
    with book(ANSWERING, DOCKER_HOST=shared.endpoint.url) as last:
        assert last.ask("one") == "one"
        daemon = part(shared.pid, "dockerd")
        os.kill(daemon, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            assert last.end() == []
            assert time.monotonic() - begun < 20
            assert left_of(last.id), "its guard waits for the engine"
        finally:
            os.kill(daemon, signal.SIGCONT)
        gone(last, 30.0)
        assert held(shared.api, last.id) == set()


WRITING = """
import os, pathlib
box = c.container(io="40M")
print(box.run("echo kept > /scratch/note; cat /scratch/note; stat -c %u /scratch/note").stdout.split())
cache = pathlib.Path.home() / ".cache/boundaries"
outer, = cache.glob("scratch-*")
print(oct(outer.stat().st_mode), os.geteuid() != 1000)
box.close()
print(list(cache.glob("scratch-*")))
"""


def test_whoever_the_owner_is_the_container_writes_to_its_disk_and_nobody_else_gets_there(
    shared: PrivateEngine,
) -> None:
    with contextlib.ExitStack() as users:
        learner = [users.enter_context(user(subordinate=False)) for _ in range(2)][1]  # one of them is not number 1000
        path = learner.home / "docker.sock"
        os.link(shared.endpoint.url.removeprefix("unix://"), path)
        path.chmod(0o666)
        said, errors = learner.run(WRITING, DOCKER_HOST=f"unix://{path}", BOUNDARIES_ENGINE="reader")
    if "LimitIgnored" in errors:
        pytest.skip("the homes of this machine are on no disk whose rate can be limited")
    assert said == ["['kept', '1000']", "0o40700 True", "[]"], errors
