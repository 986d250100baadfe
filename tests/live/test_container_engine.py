"""The engine: private when none of the reader's answers, the reader's own when one does; dead and alive again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes import containers
from sandboxes.containers import finding
from sandboxes.containers.private import PrivateEngine
from sandboxes.errors import SandboxGone
from sandboxes.lifecycle import owner
from tests.apart import engine_apart

pytestmark = pytest.mark.usefixtures("engine_ready")

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="a private engine needs root")


def python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.fixture(scope="module")
def apart(engine_ready: None) -> Iterator[PrivateEngine]:
    """An engine that belongs to nobody here, as a reader's own would: no owner's mark, its own namespaces."""
    with engine_apart(Path("/run")) as engine:
        yield engine


def test_importing_and_refusing_start_nothing() -> None:
    script = (
        "import sandboxes.containers as c, sandboxes.errors as e, os\n"
        "for bad in ({'memory': '-1'}, {'memory': '1T'}, {'cpus': float('nan')}, {'image': 3}, {'pids': '64'}):\n"
        "    try: c.container(**bad)\n"
        "    except e.BadRequest as error: print(error.field)\n"
        "children = open(f'/proc/self/task/{os.getpid()}/children').read()\n"
        "print('children', children.split())\n"
    )
    done = python(script)
    assert done.stdout.split("\n")[:6] == ["memory", "memory", "cpus", "image", "pids", "children []"], done.stderr


def test_looking_for_an_engine_starts_none() -> None:
    script = (
        "import sandboxes.containers as c, os\n"
        "print(c.find_engine().origin)\n"
        "print(open(f'/proc/self/task/{os.getpid()}/children').read().split())\n"
    )
    done = python(script)
    assert done.stdout.split("\n")[0] in ("private", "reader"), done.stderr
    assert done.stdout.split("\n")[1] == "[]"


def test_what_was_found_is_what_is_used() -> None:
    foretold = finding.find_engine()
    used = containers.engine().facts()
    assert foretold == used


def test_one_engine_serves_the_whole_process() -> None:
    assert containers.engine() is containers.engine()


@root_only
def test_a_killed_engine_s_containers_are_gone_and_the_next_one_works() -> None:
    first = containers.engine()
    if first.pid is None:
        pytest.skip("the reader's own engine is not ours to kill")
    with containers.container() as lost, containers.container() as unused:
        assert lost.sample().pids.current == 2
        os.kill(first.pid, signal.SIGKILL)
        until = time.monotonic() + 5
        while first.alive() and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.1)  # its processes are killed one after the other
        for call in (lambda: lost.run("true"), lost.sample, lost.facts, unused.sample, lambda: lost.start("true")):
            with pytest.raises(SandboxGone, match="engine"):
                call()
        assert not lost.running()
        with containers.container() as fresh:
            assert fresh.run("echo again").stdout == "again\n"
            assert containers.engine() is not first
            assert len(list((owner().folder).glob("engine*"))) == 1, "nothing is left of the first one"


@root_only
def test_an_engine_that_cannot_start_says_what_its_log_says(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; import os\n"
        "from sandboxes.containers.private import PrivateEngine\n"
        "from sandboxes.errors import StartFailed\n"
        f"try: PrivateEngine(Path('/run/{'x' * 110}'), '/boundaries-none', os.environ)\n"
        "except StartFailed as error: print(error)\n"
        f"print(Path('/run/{'x' * 110}').exists())\n"
    )
    done = python(script)
    assert "did not come up" in done.stdout and "end of its log" in done.stdout, done.stderr
    assert done.stdout.endswith("False\n"), "its folder is removed"


USING = """
import sandboxes.containers as c
with c.container(network=True, memory="32M") as box:
    engine = c.engine()
    print(engine.origin, engine.endpoint.url)
    print(box.run("echo used").stdout.strip(), box.sample().memory.limit_bytes, box.facts().init.pid_inside)
    print(box.start("sleep 100").pid > 1)
"""


def test_docker_host_is_used_when_it_answers(apart: PrivateEngine) -> None:
    done = python(USING, DOCKER_HOST=apart.endpoint.url)
    assert done.stdout.split("\n")[:3] == [
        f"reader {apart.endpoint.url}",
        f"used {32 << 20} 1",
        "True",
    ], done.stderr
    assert apart.api.containers(all=True) == []
    assert [net["Name"] for net in apart.api.networks() if net["Name"].startswith("boundaries")] == []


def test_the_book_s_images_can_be_taken_out_of_the_reader_s_engine(apart: PrivateEngine) -> None:
    python(USING, DOCKER_HOST=apart.endpoint.url)
    assert len(apart.api.images()) == 1
    done = python("import sandboxes.containers as c; print(c.remove_images())", DOCKER_HOST=apart.endpoint.url)
    assert done.stdout == "1\n", done.stderr
    assert apart.api.images() == []


@root_only
def test_docker_host_that_does_not_answer_is_passed_over(tmp_path: Path) -> None:
    done = python(USING, DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert done.stdout.startswith(("private ", "reader unix:///")) and str(tmp_path) not in done.stdout, done.stderr


UNPRIVILEGED = """
import os, sys, sandboxes.containers as c
from sandboxes.errors import RunTimeout
sys.executable = "/usr/bin/python3"
os.setgid(65534)
os.setuid(65534)
with c.container(name="theirs") as box:
    facts = box.facts()
    print(facts.init.namespaces == dict(box.namespaces().ids), len(facts.init.namespaces), box.sample().pids.limit)
    try:
        box.run("setsid sleep 4001 & sleep 4002", timeout_s=0.7)
    except RunTimeout as late:
        print(late.seen)
    print("400" in box.run("ps").stdout)
    job = box.start("sleep 4003")
    job.stop()
    print(job.pid > 1, job.running())
"""


@root_only
def test_a_user_without_privileges_uses_an_engine_that_lets_them(apart: PrivateEngine) -> None:
    socket = apart.folder / "d.sock"
    socket.chmod(0o666)
    apart.folder.chmod(0o755)
    done = python(UNPRIVILEGED, DOCKER_HOST=apart.endpoint.url, HOME="/nonexistent", XDG_RUNTIME_DIR="")
    socket.chmod(0o660)
    assert done.stdout.split("\n")[:4] == [
        "True 8 64",
        "it was killed with all its processes; its output until then: (none)",
        "False",
        "True False",
    ], done.stderr


OWNING = """
import sys, sandboxes.containers as c
boxes = [c.container(network=number == 0) for number in range(3)]
boxes[0].start("sleep 1000")
print(c.engine().owner.id, c.engine().owner.guard_pid, flush=True)
sys.stdin.readline()
"""


def labelled(apart: PrivateEngine, owner_id: str) -> list[str]:
    wanted = {"label": f"boundaries.owner={owner_id}"}
    return [
        entry["Id"] for entry in (*apart.api.containers(all=True, filters=wanted), *apart.api.networks(filters=wanted))
    ]


@pytest.mark.parametrize("guard_too", [False, True], ids=["owner", "owner_and_guard"])
def test_a_killed_owner_leaves_nothing_in_the_reader_s_engine(apart: PrivateEngine, guard_too: bool) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "DOCKER_HOST": apart.endpoint.url},
    )
    assert process.stdout is not None
    owner_id, guard = process.stdout.readline().split()
    assert len(labelled(apart, owner_id)) == 4
    stranger = apart.api.create_container(_image(apart), ["true"])["Id"]
    if guard_too:
        os.kill(int(guard), signal.SIGKILL)
    process.kill()
    process.wait()
    if guard_too:
        time.sleep(0.5)
        assert len(labelled(apart, owner_id)) == 4, "nobody was there to remove them"
        assert python("from sandboxes.lifecycle import owner; owner()").returncode == 0
    until = time.monotonic() + 5
    while labelled(apart, owner_id) and time.monotonic() < until:
        time.sleep(0.05)
    assert labelled(apart, owner_id) == []
    assert [entry["Id"] for entry in apart.api.containers(all=True)] == [stranger], (
        "what is not labelled is not touched"
    )
    apart.api.remove_container(stranger)


def _image(apart: PrivateEngine) -> str:
    return next(tag for image in apart.api.images() for tag in image["RepoTags"])
