"""Parts of the engine die, run full, or were never there: one error that can be read, and the next container works."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes import containers
from sandboxes.containers.private import PrivateEngine
from sandboxes.errors import SandboxGone
from sandboxes.lifecycle import guard, owner
from tests.faults.books import book, descendants, gone, part, python
from tests.machine import births, left_of

pytestmark = pytest.mark.usefixtures("engine_ready")


@pytest.fixture
def mine() -> Iterator[None]:
    if containers.engine().origin != "private":
        pytest.skip("the reader's own engine is not ours to kill")
    yield
    assert len(list(owner().folder.glob("engine*"))) == 1, "nothing is left of the dead engine"


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize("name", ["dockerd", "containerd", "docker-init"])
def test_after_the_death_of_a_part_the_next_container_works(name: str) -> None:
    first = containers.engine()
    with containers.container() as lost:
        lost.start("while :; do :; done")
        assert first.pid
        parts = {str(pid) for pid in descendants(first.pid)}
        of_first = {text for text in left_of(owner().id) if parts & set(text.split()[1:2])}
        assert len(of_first) > 5
        os.kill(part(first.pid, name), signal.SIGKILL)
        until = time.monotonic() + 5
        while first.alive() and time.monotonic() < until:
            time.sleep(0.01)
        with containers.container() as fresh:
            assert fresh.run("echo again").stdout == "again\n"
        assert containers.engine() is not first
        assert not of_first & set(left_of(owner().id))
        assert not lost.running()
        with pytest.raises(SandboxGone, match="engine does not answer"):
            lost.run("true")


@pytest.mark.usefixtures("mine")
def test_a_container_whose_shim_was_killed_is_told_and_its_neighbour_works() -> None:
    with containers.container() as lost, containers.container() as neighbour:
        command = f"-id {lost.id}"
        for pid in guard.marked_processes(owner().id):
            if command in Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode():
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.5)
        with pytest.raises(SandboxGone):
            lost.run("true")
        assert neighbour.run("echo here").stdout == "here\n"


PAUSED = """
import sandboxes.containers as c
boxes = [c.container(), c.container()]
boxes[0].start("while :; do :; done")
for box in boxes:
    c.engine().api.pause(box.id)
print("paused", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("how", ["killed", "killed with its guard", "ended"])
def test_frozen_containers_go_with_their_owner(how: str) -> None:
    with book(PAUSED) as frozen:
        assert frozen.read() == "paused"
        if how == "ended":
            frozen.end()
        else:
            frozen.kill(guard="guard" in how)
    if "guard" in how:
        assert python("from sandboxes.lifecycle import owner; owner()").returncode == 0
    gone(frozen, 2.0)


FULL = """
import sandboxes.containers as c
from sandboxes.containers import launch
from sandboxes.errors import SandboxError
launch.DATA_MIB = 32
with c.container(profile="open", memory=None) as box:
    print(box.run("dd if=/dev/zero of=/filler bs=1M").stderr.splitlines()[0])
    print(box.run("echo alive").stdout.strip())
    try:
        c.container()
    except SandboxError as error:
        print(type(error).__name__, "|", error.what, "|", error.remedy, "|", error.seen)
    print(c.engine().alive(), len(c.engine().api.containers(all=True)))
    box.run("rm /filler")
    with c.container() as again:
        print(again.run("echo again").stdout.strip())
"""


def test_a_full_data_folder_is_told_in_one_error_and_works_again_when_it_has_room() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root's engine has a data folder of a known size")
    done = python(FULL)
    said = done.stdout.splitlines()
    assert said[:2] == ["dd: error writing '/filler': No space left on device", "alive"], done.stderr
    assert said[2].startswith("StartFailed | ") and "no space left on device" in said[2]
    assert "more room" in said[2].split(" | ")[2], "what to try"
    assert said[3:] == ["True 1", "again"], done.stderr


def told_without(script: str, **environment: str) -> tuple[str, float]:
    """The error of a process that finds no engine, nor one in a guest in its cache, and how long it took to tell."""
    with tempfile.TemporaryDirectory(prefix="bnd-") as empty:
        environment["XDG_CACHE_HOME"] = empty
        done = python(
            "import time, sandboxes.containers as c\nfrom sandboxes.errors import EngineUnavailable\n"
            f"{script}\nbegun = time.monotonic()\n"
            "try: c.container()\nexcept EngineUnavailable as error: print(time.monotonic() - begun); print(error)\n",
            **environment,
        )
    took, _, text = done.stdout.partition("\n")
    assert took, done.stderr
    return text, float(took)


HIDDEN = """
import ctypes, os, shutil, subprocess
assert ctypes.CDLL(None, use_errno=True).unshare(0x20000) == 0
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
for name in ("dockerd", "podman"):
    if path := shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/usr/bin:/sbin:/bin"):
        subprocess.run(["mount", "--bind", "/dev/null", os.path.realpath(path)], check=True)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="hiding a program needs root")
def test_a_missing_dockerd_is_told_within_two_seconds() -> None:
    if containers.find_engine().origin == "reader":
        pytest.skip("the reader's own engine answers")
    text, took_s = told_without(HIDDEN)
    assert "dockerd" in text and text.count("\n  seen: ") == text.count("\n  try:  ") == 1
    assert took_s < 2


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_a_denied_socket_is_told_within_two_seconds(shared: PrivateEngine) -> None:
    if containers.find_engine().origin == "reader":
        pytest.skip("the reader's own engine answers")
    shared.folder.chmod(0o755)
    (shared.folder / "d.sock").chmod(0o600)
    become = "import os, sys; sys.executable = '/usr/bin/python3'; os.setgid(65534); os.setuid(65534)"
    text, took_s = told_without(become, DOCKER_HOST=shared.endpoint.url, HOME="/nonexistent", XDG_RUNTIME_DIR="")
    assert shared.endpoint.url in text and "ermission" in text
    assert text.count("\n  seen: ") == text.count("\n  try:  ") == 1
    assert took_s < 2


def test_an_engine_that_accepts_and_never_answers_is_passed_over() -> None:
    path = births().base / "mute.sock"
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(path))
        mute.listen()
        done = python(
            "import time, sandboxes.containers as c\nbegun = time.monotonic()\n"
            "print(c.find_engine().origin, time.monotonic() - begun)",
            DOCKER_HOST=f"unix://{path}",
        )
    path.unlink()
    assert done.stdout, done.stderr
    assert float(done.stdout.split()[1]) < 5, "it is given two seconds"


def test_nothing_of_an_engine_is_written_outside_its_folder() -> None:
    with containers.container() as box:
        if (pid := containers.engine().pid) is None:
            pytest.skip("the reader's own engine writes where it likes")
        first = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
        inside = Path(f"/proc/{first}/root")
        assert (inside / "run/containerd/s").is_dir(), "sockets of shims"
        for place in ("run", "etc", "opt"):
            assert (inside / place).stat().st_dev != Path("/", place).stat().st_dev, place
        assert box.run("echo runs").stdout == "runs\n"
