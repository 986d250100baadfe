"""Computers without an agent: what they are made of, and what is asked of them."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sandboxes.apt import parse_about
from sandboxes.errors import BadRequest
from sandboxes.guests import MachineSandbox, machine
from sandboxes.guests.boot_sector import GREETING, SECTOR_BYTES, boot_sector
from sandboxes.guests.computers import recipe_arguments
from sandboxes.guests.console import RING_BYTES, Console
from sandboxes.guests.recipes import FILE, RECIPES


@pytest.fixture
def line() -> Iterator[tuple[Console, socket.socket]]:
    """A console, and the end that a machine writes to."""
    near, far = socket.socketpair()
    console = Console(near)
    with far:
        yield console, far
    console.close()


def test_a_boot_sector_is_one_sector_and_says_that_it_boots() -> None:
    sector = boot_sector()
    assert (len(sector), sector[-2:]) == (SECTOR_BYTES, b"\x55\xaa")
    code = sector.index(GREETING.encode())
    assert int.from_bytes(sector[0x0C:0x0E], "little") == 0x7C00 + code  # what `mov si` loads


@pytest.mark.parametrize("what", ["", "windows", "Firmware", 5, None, ["firmware"], "firmware,x=y"])
def test_an_unknown_computer_is_refused_and_nothing_starts(what: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    with pytest.raises(BadRequest) as raised:
        machine(what)
    assert raised.value.field == "what"


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_computer_gets_no_default_device_and_the_seccomp_filter(recipe: Any) -> None:
    words = recipe_arguments("machine-1", recipe, [5, 6], 7)
    assert {"-nodefaults", "-no-user-config", "-no-reboot", "-sandbox"} <= set(words)
    assert not [word for word in words if FILE in word or "netdev" in word]


@pytest.mark.parametrize("text", ["", 5, None, b"x", "x" * 5000])
def test_a_text_that_no_console_carries_is_refused(text: Any) -> None:
    deaf = object.__new__(MachineSandbox)
    for method in (deaf.type, deaf.wait_for):
        with pytest.raises(BadRequest) as raised:
            method(text)
        assert raised.value.field == "text"


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), "5", None, True])
def test_a_bad_deadline_is_refused(timeout_s: Any) -> None:
    for wait in (lambda: object.__new__(MachineSandbox).wait_for("x", timeout_s),):
        with pytest.raises(BadRequest) as raised:
            wait()
        assert raised.value.field == "timeout_s"


def test_a_text_is_dated_when_it_came_not_when_it_was_asked_for(line: tuple[Console, socket.socket]) -> None:
    console, far = line
    far.sendall(b"first ")
    assert console.arrived_s(b"first", 5.0) is not None
    between = time.monotonic()
    time.sleep(0.02)
    far.sendall(b"second")
    later = console.arrived_s(b"second", 5.0)
    first = console.arrived_s(b"first", 5.0)
    assert first is not None and later is not None
    assert first < between < later


def test_a_text_is_dated_also_after_much_has_been_dropped(line: tuple[Console, socket.socket]) -> None:
    console, far = line
    begun = time.monotonic()
    far.sendall(b"x" * (RING_BYTES + 70_000) + b"end")
    dated = console.arrived_s(b"end", 10.0)
    assert dated is not None and dated >= begun


def test_waiting_ends_when_the_machine_does(line: tuple[Console, socket.socket]) -> None:
    console, far = line
    threading.Timer(0.05, lambda: far.shutdown(socket.SHUT_RDWR)).start()
    begun = time.monotonic()
    assert console.arrived_s(b"never", 30.0) is None
    assert console.ended
    assert time.monotonic() - begun < 10


def test_typing_to_who_does_not_read_does_not_block_for_ever(line: tuple[Console, socket.socket]) -> None:
    console, _ = line
    with pytest.raises(BlockingIOError):
        for _ in range(100_000):
            console.write(b"x" * 4096)


def test_apt_s_fields_are_those_of_the_newest_version() -> None:
    shown = "Package: a\nVersion: 2\nDescription: long\n more\nSize: 46166984\n\nPackage: a\nVersion: 1\nSize: 1\n"
    about = parse_about(shown)
    assert (about["Version"], about["Size"]) == ("2", "46166984")
