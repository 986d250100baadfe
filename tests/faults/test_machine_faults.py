"""Computers without an agent end as guests do: when their owner is killed, when QEMU is, when they are forgotten."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sandboxes import apt
from sandboxes.errors import GuestUnavailable, SandboxGone
from sandboxes.guests import found, machine
from sandboxes.guests.architectures import ARM64
from sandboxes.guests.foreign import prepare_foreign
from tests.machine import until_gone

OWNING = """
import sys
import sandboxes as sb
from sandboxes.lifecycle import owner
print(owner().id, flush=True)
bare = sb.machine("boot-sector")
bare.wait_for("real mode")
print("ready", flush=True)
if sys.argv[1] == "killed":
    sys.stdin.readline()
"""


@pytest.fixture(scope="module", autouse=True)
def guest_ready() -> None:
    if missing := found().missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("; ".join(missing))


@pytest.mark.parametrize("end", ["killed", "forgotten"])
def test_a_machine_goes_with_its_owner(end: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNING, end], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        owner_id = process.stdout.readline().strip()
        assert process.stdout.readline() == "ready\n"
        if end == "killed":
            process.kill()
        process.communicate()
    assert until_gone(owner_id, 60) == []


def test_a_killed_qemu_is_told_while_somebody_waits() -> None:
    with machine("firmware") as bare:
        bare.wait_for("No bootable device")
        threading.Timer(0.2, os.kill, (bare.facts().process.pid, signal.SIGKILL)).start()
        with pytest.raises(SandboxGone, match="QEMU was killed by SIGKILL"):
            bare.wait_for("never", timeout_s=30)


def test_an_interrupt_while_waiting_leaves_the_machine_and_closing_it_leaves_nothing() -> None:
    with machine("firmware") as bare:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            bare.wait_for("never", timeout_s=30)
        facts = bare.facts()
        assert facts.state == "running"
    assert not Path(f"/proc/{facts.process.pid}").exists()


def test_what_cannot_be_fetched_is_told_and_leaves_nothing_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(apt, "sources", lambda: "deb file:/nowhere nothing main\n")
    with pytest.raises(GuestUnavailable, match="nothing for arm64"):
        prepare_foreign(ARM64, lambda line: None)
    assert not list(tmp_path.glob("boundaries/guests/kernels/*"))
    assert not list(tmp_path.glob("boundaries/guests/*.json"))


def test_a_damaged_file_in_the_cache_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    heard: list[str] = []
    machine("u-boot", say=heard.append).close()
    kept = next(tmp_path.glob("boundaries/guests/parts/u-boot-qemu/*.rom"))
    data = bytearray(kept.read_bytes())
    data[4096] ^= 1
    kept.write_bytes(data)
    with machine("u-boot", say=heard.append) as loader:
        loader.wait_for("U-Boot")
    assert sum(line.startswith("fetching u-boot-qemu (") for line in heard) == 2


def test_an_interrupt_while_fetching_leaves_nothing_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        machine("u-boot", say=interrupt)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"] == []
    assert not list(tmp_path.rglob("apt-*"))
