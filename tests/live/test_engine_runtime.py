"""The runtime of the private engine: crun where a container runs under it, runc where one does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandboxes.containers import private, runtime
from sandboxes.containers.runtime import Runtime
from sandboxes.errors import EngineUnavailable
from sandboxes.lifecycle import sweep
from tests.machine import births, left_of

pytestmark = [
    pytest.mark.usefixtures("engine_ready"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a private engine needs root"),
]

USING = """
import sandboxes.containers as c
from pathlib import Path
foretold = c.find_engine()
with c.container(memory="32M", cpus=0.2, pids=32) as box:
    facts = c.engine().facts()
    print(foretold == facts, facts.runtime, c.engine().inspect(box.id)["HostConfig"]["Runtime"])
    cgroup = box.cgroup()
    soft = cgroup.folder_of("memory") / "memory.soft_limit_in_bytes"
    before = soft.read_text() if soft.exists() else ""
    box.limit(cpus=0.3)
    sample = box.sample()
    print(sample.memory.limit_bytes >> 20, sample.cpu.quota_cores, sample.pids.limit)
    print((soft.read_text() if soft.exists() else "") == before)
    box.pause()
    box.resume()
    print(box.run("echo resumed").stdout.strip())
    pressure = cgroup.own_v2 / "cpu.pressure" if cgroup.own_v2 else None
    print(c.engine().facts().psi == bool(pressure and pressure.exists()))
"""


def use(cache: Path, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", USING],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "XDG_CACHE_HOME": str(cache), "BOUNDARIES_ENGINE": "private", **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


REST = ["32 0.3 32", "True", "resumed", "True"]


def test_crun_makes_the_containers_and_changes_only_what_is_asked(tmp_path: Path) -> None:
    if not shutil.which("crun"):
        pytest.skip("crun is not installed")
    assert use(tmp_path) == ["True crun crun", *REST]
    assert (tmp_path / "boundaries/runtime.json").is_file()


def test_where_no_container_runs_under_crun_runc_makes_them(tmp_path: Path) -> None:
    broken = tmp_path / "bin/crun"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    said = use(tmp_path, PATH=f"{broken.parent}:{os.environ['PATH']}")
    assert said == ["True runc runc", *REST]


@pytest.fixture
def paths() -> dict[str, str]:
    """The programs of a private engine, with crun."""
    try:
        found = private.programs()
    except EngineUnavailable as error:
        pytest.skip(str(error))
    if "crun" not in found:
        pytest.skip("crun is not installed")
    return found


@pytest.fixture
def slow(tmp_path: Path, paths: dict[str, str]) -> dict[str, str]:
    """The same, but for a crun that makes its cgroup and comes to no end."""
    path = tmp_path / "crun"
    tree = next(place for place in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup") if Path(place).is_dir())
    path.write_text(f'#!/bin/sh\nmkdir "{tree}/boundaries-$(basename "$5")" && sleep 1000\n')
    path.chmod(0o755)
    return {**paths, "crun": str(path)}


def test_a_trial_that_took_too_long_is_no_verdict(
    slow: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(runtime, "PROBE_S", 0.3)
    assert runtime.chosen_runtime(slow) == Runtime("runc")
    assert (tmp_path / "boundaries/runtime.json").read_text() == ""


def test_two_trials_at_once_come_to_the_same_verdict(paths: dict[str, str], tmp_path: Path) -> None:
    script = "from sandboxes.containers import private, runtime; print(runtime.chosen_runtime(private.programs()))"
    said = set()
    for _ in range(2):
        trials = [
            subprocess.Popen(
                [sys.executable, "-c", script],
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / f"{time.monotonic_ns()}")},
            )
            for _ in range(3)
        ]
        said |= {trial.communicate(timeout=60)[0] for trial in trials}
    assert said == {f"{runtime.chosen_runtime(paths)}\n"}


def test_nothing_is_left_of_a_trial_whose_process_was_killed(slow: dict[str, str], tmp_path: Path) -> None:
    earlier = births().owners()
    doomed = subprocess.Popen(
        [sys.executable, "-c", f"from sandboxes.containers import runtime; runtime.chosen_runtime({slow!r})"],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
    )
    until = time.monotonic() + 5
    kinds: set[str] = set()
    while kinds != {"processes", "cgroups", "folders"} and time.monotonic() < until:
        time.sleep(0.02)
        news = births().owners() - earlier
        kinds = {text.partition(":")[0] for name in news for text in left_of(name)}
    doomed.kill()
    doomed.wait()
    assert kinds == {"processes", "cgroups", "folders"}
    (trial,) = news
    assert left_of(trial), "nobody was there to remove it"
    sweep.sweep()
    assert left_of(trial) == []
