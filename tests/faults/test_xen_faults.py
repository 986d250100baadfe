"""A Xen ends as guests do, with all its domains: when QEMU is killed, when Xen goes, when its owner is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from sandboxes.errors import SandboxGone, Unavailable
from sandboxes.guests import found, xen
from sandboxes.guests.xen.parts import prepare_xen
from tests.machine import Photograph, settled, until_gone

OWNING = """
import sys
import sandboxes as sb
from sandboxes.lifecycle import owner
print(owner().id, flush=True)
hypervisor = sb.xen(say=lambda line: None)
domain = hypervisor.create("other", memory="96M", paused=True)
print("ready", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(scope="module", autouse=True)
def xen_ready() -> None:
    stop = pytest.fail if os.environ.get("CI") else pytest.skip
    if missing := found().missing:
        stop("; ".join(missing))
    try:
        prepare_xen(print)
    except Unavailable as error:
        stop(str(error))


def test_a_xen_and_its_domains_go_with_their_owner() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        owner_id = process.stdout.readline().strip()
        assert process.stdout.readline() == "ready\n"
        process.kill()
        process.communicate()
    assert until_gone(owner_id, 60) == []


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [("killed", "QEMU was killed by SIGKILL"), ("dom0 panics", "Kernel panic")],
)
def test_a_xen_that_ends_is_told_with_the_reason_and_so_are_its_domains(trouble: str, reason: str) -> None:
    before = Photograph.take()
    with xen() as hypervisor:
        domain = hypervisor.create("other", memory="96M", paused=True)
        if trouble == "killed":
            os.kill(hypervisor.facts().process.pid, signal.SIGKILL)
        else:
            hypervisor.start("echo c >/proc/sysrq-trigger")
        with pytest.raises(SandboxGone, match=reason):
            hypervisor.run("sleep 60", timeout_s=90)
        with pytest.raises(SandboxGone, match=reason):
            domain.facts()
        domain.close()
    assert settled(before, 10) == {}
