"""crun as dockerd calls it: an update says only what changes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from sandboxes.containers import oci
from sandboxes.containers.runtime import Runtime, chosen_runtime, crun_wrapper

UPDATES = [  # as dockerd 20.10 wrote them for `docker update --cpu-quota`, `--pids-limit` and `--memory --memory-swap`
    (
        '{"memory":{"limit":0,"reservation":0,"kernel":0},"cpu":{"shares":0,"quota":30000,"period":0},'
        '"blockIO":{"weight":0}}',
        {"memory": {}, "cpu": {"quota": 30000}, "blockIO": {}},
    ),
    (
        '{"memory":{"limit":0,"reservation":0,"kernel":0},"cpu":{"shares":0,"quota":0,"period":0},'
        '"pids":{"limit":30},"blockIO":{"weight":0}}',
        {"memory": {}, "cpu": {}, "pids": {"limit": 30}, "blockIO": {}},
    ),
    (
        '{"memory":{"limit":67108864,"reservation":0,"swap":67112960,"kernel":0},"cpu":{"shares":0,"quota":0,'
        '"period":0},"blockIO":{"weight":0}}',
        {"memory": {"limit": 67108864, "swap": 67112960}, "cpu": {}, "blockIO": {}},
    ),
]


@pytest.fixture
def wrapper(tmp_path: Path) -> Path:
    """It calls a program that shows its words and its input."""
    shows = tmp_path / "shows"
    shows.write_text('#!/bin/sh\necho "$*"\ncat\n')
    script = tmp_path / "crun"
    script.write_text(crun_wrapper(str(shows)))
    for program in (shows, script):
        program.chmod(0o755)
    return script


@pytest.mark.parametrize(("said", "left"), UPDATES)
def test_an_update_leaves_alone_what_was_not_mentioned(wrapper: Path, said: str, left: dict[str, object]) -> None:
    words = ["--root", "/run/x", "update", "--resources", "-", "id"]
    done = subprocess.run([wrapper, *words], input=said, capture_output=True, text=True, check=True)
    called, _, given = done.stdout.partition("\n")
    assert called == " ".join(words)
    assert json.loads(given) == left


def test_everything_else_goes_through_as_it_is(wrapper: Path) -> None:
    done = subprocess.run(
        [wrapper, "create", "--bundle", "/a b", "id"], input='{"limit":0}', capture_output=True, text=True, check=True
    )
    assert done.stdout == 'create --bundle /a b id\n{"limit":0}'


def test_without_crun_it_is_runc() -> None:
    assert chosen_runtime({"docker-init": "/x", "unshare": "/y"}) == Runtime("runc")


def test_podman_gets_limits_in_the_words_of_the_runtime_specification() -> None:
    asked = {"Memory": 1 << 26, "MemorySwap": 1 << 27, "CpuQuota": 25000, "CpuPeriod": 100000, "PidsLimit": 32}
    assert oci.resources(asked) == {
        "memory": {"limit": 1 << 26, "swap": 1 << 27},
        "cpu": {"quota": 25000, "period": 100000},
        "pids": {"limit": 32},
    }
