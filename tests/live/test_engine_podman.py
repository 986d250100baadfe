"""A Podman service of the book's own: a container on it, and nothing of it left; also as the reader's own engine."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes.containers import podman
from sandboxes.containers.podman import PodmanService
from sandboxes.errors import Unavailable
from sandboxes.lifecycle.guard import remove_cgroups
from tests.live.conftest import _without
from tests.live.unprivileged import user
from tests.machine import Photograph, settled


@pytest.fixture(scope="module", autouse=True)
def podman_ready() -> None:
    """Podman can be started here."""
    try:
        podman.look()
    except Unavailable as error:
        _without(str(error))


def start(script: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


USING = """
import sandboxes.containers as c
print(c.find_engine() == c.engine().facts())
with c.container(name="pod") as box:
    print(box.run("hostname; id -u").stdout.split(), box.sample().memory.limit_bytes >> 20, box.sample().pids.limit)
    print(box.limit(memory="64M", cpus=0.25, pids=32).memory_bytes >> 20, box.sample().cpu.quota_cores)
    print(box.sample().pids.limit, "some avg10=" in (box.cgroup().v2 / "cpu.pressure").read_text())
    box.pause()
    print(box.paused())
    box.resume()
    job = box.start("sleep 1000")
    print(job.pid > 1)
    job.stop()
    print(job.running(), box.facts().init.pid_inside)
with c.container(memory=None, cpus=None, pids=None) as box:
    print(box.sample().memory.limit_bytes, box.sample().pids.limit, box.sample().cpu.quota_cores)
print(c.engine().api.containers(all=True))
"""


def test_a_container_runs_on_a_podman_service_with_its_limits() -> None:
    said, errors = start(USING, BOUNDARIES_ENGINE="podman").communicate(timeout=120)
    assert said.splitlines() == [
        "True",
        "['pod', '1000'] 128 64",
        "64 0.25",
        "32 True",
        "True",
        "True",
        "False 1",
        "None None None",
        "[]",
    ], errors


LIVING = """
import sys, sandboxes.containers as c
boxes = [c.container() for _ in range(2)]
print(c.engine().facts().origin, c.engine().owner.id, flush=True)
sys.stdin.readline()
"""


def test_a_killed_owner_of_a_podman_service_leaves_nothing() -> None:
    earlier = Photograph.take()
    process = start(LIVING, BOUNDARIES_ENGINE="podman")
    assert process.stdout and process.stderr
    assert process.stdout.readline().startswith("podman "), process.stderr.read()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert settled(earlier) == {}


@pytest.fixture
def apart() -> Iterator[PodmanService]:
    """A Podman service that belongs to nobody here, as a reader's own would."""
    name = f"test{secrets.token_hex(3)}"
    service = PodmanService(Path("/run") / f"bnd-{name}", f"/boundaries-{name}", os.environ)
    try:
        yield service
    finally:
        service.api.close()
        service.close()
        remove_cgroups(name)
        remove_podmans_own_cgroup()


def remove_podmans_own_cgroup(deadline_s: float = 5.0) -> None:
    """Its conmons are in it, and die with the service, one after the other."""
    until = time.monotonic() + deadline_s
    while (left := list(Path("/sys/fs/cgroup").glob("*/libpod_parent"))) and time.monotonic() < until:
        for parent in left:
            for folder, _, _ in os.walk(parent, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)


AS_READERS = """
import sandboxes.containers as c
with c.container(profile="open") as box:
    print(c.engine().origin, c.engine().facts().name, box.run("echo used").stdout.strip())
"""


def test_a_podman_socket_can_be_the_reader_s_engine(apart: PodmanService) -> None:
    said, errors = start(AS_READERS, DOCKER_HOST=apart.endpoint.url).communicate(timeout=60)
    assert said == "reader Podman used\n", errors
    assert apart.api.containers(all=True) == []


WITHOUT_ROOT = """
os.environ["BOUNDARIES_ENGINE"] = "podman"
facts = c.engine().facts()
print(c.find_engine() == facts, facts.name, facts.origin, facts.rootless, facts.enforces, facts.pause)
with c.container() as box:
    print(box.run("id -u").stdout.strip(), box.run("cat /proc/self/uid_map").stdout.split()[:3], box.facts().cgroup)
try:
    c.container(memory="64M")
except LimitIgnored as error:
    print("memory" in error.what)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="making a user needs root")
def test_a_podman_service_of_a_user_without_root_enforces_no_limit_and_says_so() -> None:
    with user() as learner:
        said, errors = learner.run(WITHOUT_ROOT)
        assert said == [
            "True Podman podman True frozenset() False",
            f"1000 ['0', '{learner.uid}', '1'] None",
            "True",
        ], errors
        assert not (learner.home / ".local").exists(), "its storage is not the user's own"
