"""Images in an engine that is not ours: they carry their owner's mark and go when it ends, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from sandboxes.containers.private import PrivateEngine
from tests.apart import engine_apart

pytestmark = [
    pytest.mark.usefixtures("engine_ready"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a second engine needs root"),
]

USING = """
import os, sys, time, sandboxes.containers as c, tempfile
from sandboxes.errors import BuildFailed
built = c.image("FROM busybox\\nRUN echo one > /one\\n", tag="web:v1")
folder = tempfile.mkdtemp()
built.save(folder)
again = c.image(load=folder, tag="loaded:v1")
try: c.image("FROM busybox\\nRUN echo left > /left\\nRUN exit 1\\n")
except BuildFailed: print("ready", flush=True)
if sys.argv[1] == "wait": c.image("FROM busybox\\nRUN sleep 98\\n")
"""


@pytest.fixture(scope="module")
def apart() -> Iterator[PrivateEngine]:
    """An engine that belongs to nobody here, as a reader's own would."""
    with engine_apart() as engine:
        yield engine


def start(apart: PrivateEngine, word: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "DOCKER_HOST": apart.endpoint.url}
    return subprocess.Popen(
        [sys.executable, "-c", USING, word], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def tags(apart: PrivateEngine) -> set[str]:
    """Every image of the engine by its name, also those without one."""
    return {tag.partition(":")[0] for image in apart.api.images(all=True) for tag in image["RepoTags"] or ["<none>"]}


def test_an_owner_that_ends_takes_its_images_along_and_leaves_the_book_s(apart: PrivateEngine) -> None:
    process = start(apart, "end")
    said, complaint = process.communicate(timeout=120)
    assert (said, process.returncode) == ("ready\n", 0), complaint
    assert tags(apart) == {"boundaries/busybox"}


def test_an_owner_killed_while_it_builds_leaves_nothing_but_the_book_s(apart: PrivateEngine) -> None:
    process = start(apart, "wait")
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    until = time.monotonic() + 20
    while not apart.api.containers() and time.monotonic() < until:
        time.sleep(0.05)
    assert any("sleep 98" in entry["Command"] for entry in apart.api.containers()), "it builds"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    while (apart.api.containers(all=True) or tags(apart) != {"boundaries/busybox"}) and time.monotonic() < until:
        time.sleep(0.1)
    assert apart.api.containers(all=True) == []
    assert tags(apart) == {"boundaries/busybox"}
