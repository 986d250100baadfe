"""An engine in a guest: for a user without any right, in a container without any right, and nothing of it left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes.busybox import busybox_image
from sandboxes.containers import guest
from sandboxes.containers.images import book
from sandboxes.errors import Unavailable
from sandboxes.guests import needed_kernel
from sandboxes.guests.cache import guests_folder
from sandboxes.guests.engine.start import found_engine
from sandboxes.guests.kernels import NOTE
from sandboxes.lifecycle import cache_folder
from tests.apart import engine_apart
from tests.live.conftest import _without
from tests.live.unprivileged import User, user

pytestmark = [
    pytest.mark.usefixtures("guest_ready"),
    pytest.mark.skipif(os.geteuid() != 0, reason="making a user needs root"),
]


@pytest.fixture(scope="module")
def made() -> str:
    """The key of the engine's template, which is in the cache and was tried."""
    try:
        guest.prepare(print)
    except Unavailable as error:
        _without(str(error))
    return found_engine(guest.CRUN).key


@pytest.fixture(scope="module")
def learner(made: str) -> Iterator[User]:
    """Without a range of numbers, so that no better engine can be started; with a cache that was made before."""
    with user(subordinate=False) as one:
        give_cache(made, one.home / ".cache/boundaries", one.uid)
        yield one


def give_cache(key: str, target: Path, uid: int) -> None:
    """What the engine in a guest needs, and no more, as that user's."""
    kernel = needed_kernel().folder.relative_to(guests_folder())
    parts = [f"parts/{name}" for name in ("docker.io", "crun", "golang-github-containers-common")]
    target.mkdir(parents=True)
    for name in (NOTE, "agents", "compilers", str(kernel), f"templates/{key}", *parts):
        (target / "guests" / name).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", "--sparse=always", guests_folder() / name, target / "guests" / name], check=True)
    shutil.copy(cache_folder() / "guest-engine.json", target)
    subprocess.run(["chown", "-R", f"{uid}:{uid}", target.parent], check=True)


USING = """
import time
print([tier.name for tier in c.find_tiers() if tier.state == "chosen"])
print(c.find_engine() == c.engine().facts())
facts = c.engine().facts()
print(facts.origin, facts.cgroup_version, sorted(facts.enforces), facts.networks, facts.swarm, facts.psi)
print(facts.promise)
with c.container(memory="64M", name="pod") as box:
    print(box.run("hostname; id -u").stdout.split(), box.run("cat", stdin="given").stdout)
    box.put("/tmp/file", b"x" * 100_000)
    print(len(box.get("/tmp/file")), box.sample().memory.limit_bytes >> 20)
    seen = box.facts()
    print(seen.init.pid_inside, seen.seccomp, seen.no_new_privileges, seen.capabilities)
    print(box.namespaces().boot_id != sb.host().namespaces().boot_id)
    print(box.limit(memory="48M", cpus=0.25, pids=32).pids, box.sample().memory.limit_bytes >> 20)
    print(box.sample().cpu.quota_cores, box.sample().pids.limit)
    job = box.start("sleep 1000")
    until = time.monotonic() + 30
    while "sleep 1000" not in [one.command for one in box.processes()]:
        assert time.monotonic() < until, "a shell becomes its only command"
    print(job.pid > 1)
    job.stop()
    print(job.running())
    try:
        box.run("setsid sleep 4001 & sleep 4002", timeout_s=3)
    except RunTimeout as late:
        print(late.seen)
    print("400" in box.run("ps").stdout)
    print(box.run("x=a; while :; do x=$x$x; done", timeout_s=100).exit_code, box.sample().memory.oom_kills > 0)
    job = box.start("sleep 1002")
    box.pause()
    job.stop()
    box.resume()
    print("1002" in box.run("ps").stdout)
    try:
        sb.container(memory="2G")
    except BadRequest as error:
        print(error.seen)
    for call in (box.cgroup().pids, lambda: sb.container(network=True), sb.network, sb.density.containers):
        try:
            call()
        except Unavailable as error:
            print(error.what)
"""


def test_a_user_without_any_right_gets_containers_with_limits_that_hold(learner: User) -> None:
    said, errors = learner.run(USING)
    assert said == [
        "['guest']",
        "True",
        "guest v2 ['cpu', 'memory', 'pids'] False False True",
        "emulated: shows the mechanism, promises no security; "
        "every user of this machine can use it at its port of 127.0.0.1",
        "['pod', '1000'] given",
        "100000 64",
        "1 filter True ()",
        "True",
        "32 48",
        "0.25 32",
        "True",
        "False",
        "it was killed with all its processes; its output until then: (none)",
        "False",
        "137 True",
        "False",
        f"{2 << 30} asked for, {1 << 30} there",
        "The container's cgroup is in a guest, so its files cannot be read or written from here.",
        "An engine in a guest makes no networks between containers.",
        "An engine in a guest makes no networks between containers.",
        "Containers in a guest have no memory of their own on this machine.",
    ], errors


LIVING = """
box = c.container()
box.start("sleep 1000")
print("ready", flush=True)
sys.stdin.readline()
"""


def test_a_killed_owner_leaves_nothing_of_an_engine_in_a_guest(learner: User) -> None:
    assert learner.left_when_killed(LIVING) == ([], [])


DYING = """
import os, signal
with c.container() as box:
    os.kill(c.engine().guest.host_pid, signal.SIGKILL)
    try:
        box.run("true")
    except SandboxGone as gone:
        print(gone.what)
with c.container() as box:
    print(box.run("echo again").stdout.strip())
"""


def test_when_the_guest_dies_its_containers_are_gone_and_the_next_one_gets_another(learner: User) -> None:
    said, errors = learner.run(DYING)
    assert said == [
        "The container engine does not answer any more, so its containers are gone.",
        "again",
    ], errors


FOLDERS = ("bin", "sbin", "lib", "lib64")
CONFINED = """
import sandboxes as sb, sandboxes.containers as c
rights = dict(line.split(":", 1) for line in open("/proc/self/status"))
print([rights[one].strip() for one in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")])
print([tier.name for tier in c.find_tiers() if tier.state == "chosen"])
with c.container(memory="64M") as box:
    print(box.run("id -u").stdout.strip(), box.sample().memory.limit_bytes >> 20)
    print(box.run("x=a; while :; do x=$x$x; done", timeout_s=100).exit_code, box.sample().memory.oom_kills > 0)
"""


def test_it_works_in_a_container_without_any_right(learner: User) -> None:
    """As a class has it: no capability, no new privileges, the usual filter, no network, nothing to write on."""
    python = f"/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    places = [("/usr", "/usr"), ("/etc", "/etc"), *((f"/usr/{name}", f"/{name}") for name in FOLDERS)]
    places += [(sys.base_prefix, "/python"), (sysconfig.get_path("purelib"), "/site")]
    binds = [f"{here}:{there}:ro" for here, there in places]
    with engine_apart() as engine:
        api = engine.api
        wanted = api.create_host_config(
            binds=[*binds, f"{learner.home}:/learner:rw"],
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            network_mode="none",
            read_only=True,
            tmpfs={"/tmp": "", "/run": ""},
            mem_limit="2g",
            nano_cpus=2 * 10**9,
            pids_limit=256,
        )
        variables = {
            "HTTP_PROXY": "http://127.0.0.1:9",
            "PYTHONHOME": "/python",
            "LD_LIBRARY_PATH": "/python/lib",
            "PYTHONPATH": "/learner/code:/site",
        }
        confined = api.create_container(
            book.bring(api, busybox_image()),
            [python, "-c", CONFINED],
            user=f"{learner.uid}:{learner.uid}",
            environment={"HOME": "/learner", "PATH": "/usr/bin:/bin", "BOUNDARIES_RUNTIME": "/tmp/run", **variables},
            host_config=wanted,
        )
        api.start(confined)
        api.wait(confined, timeout=300)
        said, errors = (api.logs(confined, **{stream: False}).decode() for stream in ("stderr", "stdout"))
    none = "0000000000000000"
    assert said.splitlines() == [f"['{none}', '{none}', '1', '2']", "['guest']", "1000 64", "137 True"], errors


NEVER_MADE = """
guest = next(tier for tier in c.find_tiers() if tier.name == "guest")
print(guest.state, "|", guest.why, "|", guest.remedy)
"""


def test_without_a_template_the_tier_says_how_to_make_one() -> None:
    with user(subordinate=False) as made:
        said, errors = made.run(NEVER_MADE)
    assert len(said) == 1 and said[0].startswith("not here | it was never made"), errors
    assert "./textbook engine" in said[0]
