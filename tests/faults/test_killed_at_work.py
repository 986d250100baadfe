"""A book is killed while its container is made, started, used and removed: on time, and by what it was seen doing."""

from __future__ import annotations

import statistics
import time
from itertools import pairwise

import pytest

from sandboxes.containers.private import PrivateEngine
from tests.faults.books import WAITING, Book, book, gone, gone_after_s, held, python
from tests.machine import left_of

pytestmark = [pytest.mark.usefixtures("engine_ready"), pytest.mark.soak, pytest.mark.timeout(1800)]

PHASES = ("create", "start", "run", "remove")
WORKING = """
import itertools, os, docker, sandboxes.containers as c
ask = docker.APIClient.send

def phase(method, path):
    match method, path.partition("?")[0].split("/")[2:]:
        case "POST", ["containers", "create"]:
            return "create"
        case "POST", ["containers", _, "start"]:
            return "start"
        case "POST", ["containers", _, "exec"]:
            return "run"
        case "DELETE", ["containers", _]:
            return "remove"

def announced(self, request, **more):
    if name := phase(request.method, request.path_url):
        os.write(1, f"{name}\\n".encode())
    return ask(self, request, **more)

docker.APIClient.send = announced
for number in itertools.count():
    with c.container(network=number % 2 == 0) as box:
        box.run("sleep 0.05")
"""
"""Each request to the engine that begins a phase is announced just before it is sent; a phase lasts until the next."""


def durations(worker: Book) -> dict[str, float]:
    """How long each phase takes, from one whole round."""
    begun = []
    while len(begun) <= len(PHASES):
        name = worker.read()
        if begun or name == PHASES[0]:
            begun.append((name, time.monotonic()))
    return {name: after - before for (name, before), (_, after) in pairwise(begun)}


def killed_in(phase: str, share: float, worker: Book, *, guard: bool = False) -> str:
    """The phase in which it really died, when it was killed after a share of the time that the phase takes."""
    lasts_s = durations(worker)[phase]
    while worker.read() != phase:
        pass
    time.sleep(share * lasts_s)
    return [phase, *worker.kill(guard=guard)][-1]


def campaign(soak: bool) -> list[tuple[str, float]]:
    """Phases, one after the other, each first at its beginning and then later and later."""
    rounds = 100 if soak else 10
    return [(PHASES[number % 4], number // 4 * 4 / rounds) for number in range(rounds)]


def test_with_an_engine_of_its_own_nothing_is_left(soak: bool) -> None:
    hit, took_s = [], []
    for phase, share in campaign(soak):
        with book(WORKING) as worker:
            hit.append(killed_in(phase, share, worker))
        took_s.append(gone(worker))
    assert set(hit) == set(PHASES)
    assert statistics.median(took_s) < 2, took_s


def test_killed_while_its_engine_starts_it_leaves_nothing(soak: bool) -> None:
    rounds = 100 if soak else 5
    for number in range(rounds):
        with book("import sandboxes.containers as c; print('now', flush=True); c.container()\n" + WAITING) as starter:
            assert starter.read() == "now"
            time.sleep(0.6 * number / rounds)
            starter.kill()
        gone(starter)


def test_with_its_guard_killed_too_the_next_owner_removes_it(soak: bool) -> None:
    for phase, share in campaign(soak)[:: 1 if soak else 4]:
        with book(WORKING) as worker:
            killed_in(phase, share, worker, guard=True)
        time.sleep(0.1)
        assert left_of(worker.id), "nobody was there to clean up"
        assert python("from sandboxes.lifecycle import owner; owner()").returncode == 0
        gone(worker, 1.0)


def test_in_a_shared_engine_nothing_of_it_is_left_and_all_else_is(soak: bool, shared: PrivateEngine) -> None:
    python("import sandboxes.containers as c; c.container().close()", DOCKER_HOST=shared.endpoint.url)
    before = held(shared.api)
    hit = []
    for phase, share in campaign(soak):
        with book(WORKING, DOCKER_HOST=shared.endpoint.url) as worker:
            hit.append(killed_in(phase, share, worker))
        gone_after_s(lambda: held(shared.api) - before)
        gone(worker)
    assert set(hit) == set(PHASES)
    assert held(shared.api) == before
