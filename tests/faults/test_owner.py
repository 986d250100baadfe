"""An owner dies in every way there is; what it owned dies too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandboxes.lifecycle import guard, owner, runtime_folder
from tests.machine import Photograph, settled

OWNING = """
import json, os, subprocess, sys, time
from pathlib import Path
from sandboxes.lifecycle import owner
me = owner()
child = subprocess.Popen(["sleep", "1000"], env=me.environment(), start_new_session=True)
grandchild = subprocess.Popen(["sh", "-c", "sleep 1000 & sleep 1000"], env=me.environment(), start_new_session=True)
me.leave_command("letter", ["touch", sys.argv[1]])
for base in ("/sys/fs/cgroup", "/sys/fs/cgroup/pids"):
    if Path(base, "cgroup.procs").exists():
        Path(base, f"boundaries-{me.id}", "inner").mkdir(parents=True)
print(json.dumps({"id": me.id, "folder": str(me.folder), "guard": me.guard_pid}), flush=True)
sys.stdin.readline()
"""

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="making cgroups needs root")


def started(letter: Path) -> tuple[subprocess.Popen[str], dict[str, str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNING, str(letter)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


@pytest.fixture
def quiet() -> Photograph:
    owner()  # its guard belongs to the test process, not to what is tested
    return Photograph.take()


@root_only
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV], ids=lambda s: s.name)
def test_what_an_owner_had_is_gone_after_its_death(how: signal.Signals, tmp_path: Path, quiet: Photograph) -> None:
    process, _ = started(tmp_path / "said")
    process.send_signal(how)
    process.wait()
    assert settled(quiet, 5.0) == {}
    assert (tmp_path / "said").exists(), "the command that it left behind was run"


@root_only
def test_an_owner_that_ends_normally_leaves_nothing(tmp_path: Path, quiet: Photograph) -> None:
    process, _ = started(tmp_path / "said")
    process.communicate("\n", timeout=10)
    assert process.returncode == 0
    assert settled(quiet, 1.0) == {}


@root_only
def test_when_the_guard_is_killed_too_the_next_owner_sweeps(tmp_path: Path, quiet: Photograph) -> None:
    process, facts = started(tmp_path / "said")
    os.kill(int(facts["guard"]), signal.SIGKILL)
    process.kill()
    process.wait()
    time.sleep(0.3)
    assert settled(quiet, 0.1), "nobody was there to clean up, so the test has something to sweep"
    after = subprocess.run([sys.executable, "-c", "from sandboxes.lifecycle import owner; owner()"], check=False)
    assert after.returncode == 0
    assert settled(quiet, 2.0) == {}
    assert (tmp_path / "said").exists()


def test_a_living_owner_is_never_swept(tmp_path: Path) -> None:
    process, facts = started(tmp_path / "said")
    try:
        subprocess.run([sys.executable, "-c", "from sandboxes.lifecycle import owner; owner()"], check=True)
        assert list(guard.marked_processes(facts["id"]))
        assert Path(facts["folder"]).is_dir()
    finally:
        process.communicate("\n", timeout=10)


def test_a_process_without_the_mark_is_never_touched() -> None:
    bystander = subprocess.Popen(["sleep", "1000"])
    try:
        guard.kill_marked("0123456789ab")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_forked_child_does_not_close_its_parents_things() -> None:
    me = owner()
    pid = os.fork()
    if pid == 0:
        me.close()
        os._exit(0)
    os.waitpid(pid, 0)
    assert me.folder.is_dir()


def test_the_runtime_folder_is_closed_to_others() -> None:
    assert runtime_folder().stat().st_mode & 0o077 == 0
