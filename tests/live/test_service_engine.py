"""Where a service runs when the reader has an engine: beside it, and in it only when it is a swarm and was named."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes.containers.private import PrivateEngine
from tests.apart import engine_apart

pytestmark = [
    pytest.mark.usefixtures("engine_ready"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a second engine needs root"),
]

BESIDE = """
import sandboxes.containers as c
from sandboxes.containers.swarm import swarm
with c.container() as box, c.service(replicas=2) as web:
    print(c.engine().origin, swarm("private").engine.origin, web.status().running, box.run("echo both").stdout.strip())
"""
REFUSED = """
import sandboxes.containers as c
from sandboxes.errors import EngineUnavailable
try: c.service(engine="reader")
except EngineUnavailable as error: print(error)
"""
INSIDE = """
import sys, sandboxes.containers as c
from sandboxes.errors import BadRequest
web = c.service(replicas=2, name="mine", network=True, engine="reader")
print(web.scale(3).running, flush=True)
try: web.drain()
except BadRequest as error: print(error.field, flush=True)
sys.stdin.readline()
web.close()
"""
WITHOUT_ROOT = """
import os, sys, sandboxes.containers as c
from sandboxes.errors import EngineUnavailable
sys.executable = "/usr/bin/python3"
os.setgid(65534)
os.setuid(65534)
try: c.service()
except EngineUnavailable as error: print(error)
"""


@pytest.fixture(scope="module")
def theirs(engine_ready: None) -> Iterator[PrivateEngine]:
    """An engine that belongs to nobody here, as a reader's own would."""
    with engine_apart(Path("/run")) as engine:
        yield engine


def python(script: str, theirs: PrivateEngine) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "DOCKER_HOST": theirs.endpoint.url, "HOME": "/nonexistent"},
    )


def said(script: str, theirs: PrivateEngine) -> str:
    return python(script, theirs).communicate(timeout=120)[0]


def state(theirs: PrivateEngine) -> str:
    return str(theirs.api.info()["Swarm"]["LocalNodeState"])


def left(theirs: PrivateEngine) -> list[str]:
    """What an owner could have left there: services, containers, networks that carry its mark."""
    wanted = {"label": "boundaries.owner"}
    return [
        *(entry["Spec"]["Name"] for entry in theirs.api.services(filters=wanted)),
        *(entry["Names"][0] for entry in theirs.api.containers(all=True, filters=wanted)),
        *(entry["Name"] for entry in theirs.api.networks(filters=wanted)),
    ]


def test_a_private_engine_is_started_beside_the_reader_s(theirs: PrivateEngine) -> None:
    assert said(BESIDE, theirs) == "reader private 2 both\n"
    assert state(theirs) == "inactive"


def test_a_reader_s_engine_is_never_made_a_swarm(theirs: PrivateEngine) -> None:
    text = said(REFUSED, theirs)
    assert "is not a swarm manager, and the book does not make it one" in text
    assert len(text.splitlines()) == 3 and "inactive" in text
    assert state(theirs) == "inactive"


def test_without_root_the_error_says_what_is_needed(theirs: PrivateEngine) -> None:
    theirs.folder.chmod(0o755)
    (theirs.folder / "d.sock").chmod(0o666)
    text = said(WITHOUT_ROOT, theirs)
    assert "runs as root" in text and "swarm manager already" in text


@pytest.mark.parametrize("killed", [False, True], ids=["closed", "killed"])
def test_a_reader_s_swarm_is_used_when_named_and_left_as_it_was(theirs: PrivateEngine, killed: bool) -> None:
    if state(theirs) == "inactive":
        theirs.api.init_swarm(advertise_addr="127.0.0.1", listen_addr="127.0.0.1:2377")
    process = python(INSIDE, theirs)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["3\n", "drain\n"]
    assert len(left(theirs)) == 5, "a service, three containers, a network"
    if killed:
        process.kill()
    process.communicate("\n", timeout=60)
    until = time.monotonic() + 10
    while left(theirs) and time.monotonic() < until:
        time.sleep(0.1)
    assert left(theirs) == []
    assert state(theirs) == "active"
