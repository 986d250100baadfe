"""The row of the container made by hand: what crun is given to do is the same."""

from __future__ import annotations

import os
import shutil

import pytest

from book.bench.bare import bare_ms, config, crun
from sandboxes import bare, kernel

pytestmark = [
    pytest.mark.usefixtures("bare_ready"),
    pytest.mark.skipif(os.geteuid() != 0, reason="limits need root"),
    pytest.mark.skipif(shutil.which("crun") is None, reason="crun is not installed"),
]

LOOK = "cat /proc/self/status; id; ls /proc/self/fd | wc -l; ls /sys/class/net; ps | wc -l"


def rights(status: str) -> tuple[object, ...]:
    return kernel.parse_capabilities(status), kernel.parse_seccomp(status), kernel.parse_no_new_privileges(status)


def test_both_give_a_command_the_same_rights_and_let_it_see_the_same() -> None:
    with bare.container() as box, crun() as run:
        ours, theirs = box.run(LOOK).stdout, run(["sh", "-c", LOOK])[1]
        assert rights(ours) == rights(theirs) == ((), "filter", True)
        for said in ("uid=1000(reader) gid=1000(reader)", "lo"):
            assert said in ours.splitlines()
            assert said in theirs.splitlines()


@pytest.mark.parametrize("path", ["/proc/keys", "/proc/timer_list", "/sys/firmware"])
def test_both_hide_the_same(path: str) -> None:
    look = f"cat {path} 2>/dev/null | wc -c; ls {path} 2>/dev/null | grep -v {path} | wc -l"
    with bare.container() as box, crun() as run:
        assert box.run(look).stdout == run(["sh", "-c", look])[1] == "0\n0\n"


def test_both_are_asked_for_the_same_limits() -> None:
    asked = config("box", ["true"])["linux"]["resources"]
    with bare.container() as box:
        seen = box.sample()
    assert asked["memory"]["limit"] == seen.memory.limit_bytes
    assert asked["pids"]["limit"] == seen.pids.limit
    assert asked["cpu"]["quota"] / asked["cpu"]["period"] == seen.cpu.quota_cores


def test_a_whole_life_is_measured() -> None:
    assert 0 < bare_ms() < 10_000
