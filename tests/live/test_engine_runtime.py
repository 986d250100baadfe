"""The runtime of the private engine: crun where a container runs under it, runc where one does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
