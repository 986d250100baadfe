"""Other operating systems, or none: each proves by what it writes that it runs."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from sandboxes.errors import RunTimeout, SandboxGone, StartFailed
from sandboxes.guests import computers, machine
from sandboxes.guests.boot_sector import END_STATUS, GREETING
from tests.live.unprivileged import user
from tests.machine import Photograph, settled

pytestmark = pytest.mark.usefixtures("guest_ready")


def test_firmware_alone_finds_nothing_to_boot() -> None:
    with machine("firmware") as bare:
        begun_s = bare.wait_for("SeaBIOS")
        assert 0 < begun_s < bare.wait_for("No bootable device")
        facts = bare.facts()
    assert (facts.what, facts.state, facts.memory_bytes) == ("firmware", "running", 64 << 20)
    assert facts.process.name.startswith("qemu-system")
    assert facts.seccomp == "filter"
    assert facts.accelerator.emulated
    assert facts.surface.board.startswith("pc-i440fx")
    assert {"serial", "pci"} <= {device.kind for device in facts.surface.devices}


def test_512_bytes_greet_echo_and_end_the_machine() -> None:
    with machine("boot-sector") as tiny:
        tiny.wait_for(GREETING.strip())
        tiny.type("xyzzy")
        tiny.wait_for("xyzzy")
        assert any(device.name == "isa-debug-exit" for device in tiny.facts().surface.devices)
        tiny.type("q")
        assert tiny.ended() == END_STATUS
        assert tiny.console().endswith("xyzzy")
        with pytest.raises(SandboxGone, match=f"status {END_STATUS}"):
            tiny.wait_for("more")
        with pytest.raises(SandboxGone):
            tiny.facts()


def test_memtest_tests_memory_without_an_operating_system() -> None:
    with machine("memtest86+", say=lambda line: None) as memtest:
        memtest.wait_for("Memtest86+")
        memtest.wait_for("#0  [Address test, walking ones, no cache]")
        memtest.wait_for("0xffffffffffffffff")  # the second pattern: it has written and read all of it once
        assert "Errors: 0" in memtest.console()


def test_a_boot_loader_obeys_what_is_typed() -> None:
    with machine("u-boot", say=lambda line: None) as loader:
        loader.wait_for("Hit any key")
        loader.type(" \n")
        loader.wait_for("=> ")
        loader.type("echo two words\n")
        loader.wait_for("\r\ntwo words")


def test_what_does_not_come_in_time_is_said_with_the_console() -> None:
    with machine("firmware") as bare:
        bare.wait_for("No bootable device")
        with pytest.raises(RunTimeout, match="No bootable device"):
            bare.wait_for("Welcome to Windows", timeout_s=0.2)
        with pytest.raises(RunTimeout, match="did not end"):
            bare.ended(timeout_s=0.2)


def test_a_closed_machine_says_so_and_leaves_nothing() -> None:
    before = Photograph.take()
    bare = machine("firmware")
    bare.close()
    bare.close()
    assert "closed" in repr(bare)
    with pytest.raises(SandboxGone, match="was closed"):
        bare.wait_for("anything")
    with pytest.raises(SandboxGone, match="was closed"):
        bare.type("x")
    assert settled(before) == {}


def test_a_machine_that_qemu_does_not_understand_is_told_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Photograph.take()
    broken = replace(computers.RECIPES["firmware"], arguments=("-device", "no-such-device"))
    monkeypatch.setitem(computers.RECIPES, "firmware", broken)
    with pytest.raises(StartFailed, match="no-such-device"):
        machine("firmware")
    assert settled(before) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a user")
def test_a_user_without_privileges_runs_machines_too() -> None:
    with user(subordinate=False) as someone:
        said, errors = someone.run(
            """
with sb.machine("boot-sector") as tiny:
    tiny.wait_for("real mode")
    print(tiny.facts().seccomp)
"""
        )
    assert (said, errors) == (["filter"], "")
