"""Guests that go on from one template are different guests; how a guest was started is told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes import kernel
from sandboxes.errors import BadRequest
from sandboxes.guests import GuestSandbox, guest, template_cache, templates
from sandboxes.guests.template import Template

pytestmark = pytest.mark.usefixtures("guest_ready")


@pytest.fixture(scope="module")
def two(guest_ready: None) -> Iterator[tuple[GuestSandbox, GuestSandbox]]:
    with guest() as first, guest() as second:
        yield first, second


@pytest.mark.parametrize(
    "question",
    [
        "head -c 16 /dev/urandom | md5sum",
        "cat /proc/sys/kernel/random/uuid",
        "cat /proc/sys/kernel/random/boot_id",
        "cat /etc/machine-id",
        "hostname",
    ],
)
def test_two_guests_of_one_template_answer_differently(two: tuple[GuestSandbox, GuestSandbox], question: str) -> None:
    first, second = (one.run(question).stdout for one in two)
    assert first
    assert second
    assert first != second


def test_they_draw_different_random_numbers_as_their_first_command() -> None:
    seen = set()
    for _ in range(3):
        with guest() as one:
            seen.add(one.run(["dd", "if=/dev/urandom", "bs=16", "count=1"]).stdout)
    assert len(seen) == 3


def test_a_guest_has_the_name_it_was_asked_for_and_a_machine_id_as_the_manual_wants_it() -> None:
    with guest(name="somebody") as one:
        assert one.run("hostname").stdout == "somebody\n"
        assert one.run("cat /proc/sys/kernel/hostname").stdout == "somebody\n"
        assert one.run("grep -cE '^[0-9a-f]{32}$' /etc/machine-id").stdout == "1\n"


def test_their_clocks_are_right_however_old_the_template_is(two: tuple[GuestSandbox, GuestSandbox]) -> None:
    for one in (*two, *two):
        asked = time.time()
        assert asked - 2 < int(one.run("date +%s").stdout) < time.time() + 2
        time.sleep(1)


def test_how_a_guest_was_started_is_told(two: tuple[GuestSandbox, GuestSandbox]) -> None:
    assert {one.started for one in two} == {"template"}
    with guest(cold=True) as booted:
        assert booted.started == booted.facts().started == "cold"
        assert booted.run("hostname").stdout.strip() == booted.name


def test_a_stock_guest_is_plain_qemus_machine_and_can_be_used() -> None:
    with guest(cold="stock") as stock:
        seen = stock.facts()
        assert seen.started == "stock"
        assert seen.firmware == "SeaBIOS"
        assert "i440fx" in seen.machine or "pc" in seen.machine
        assert {"VGA", "e1000"} <= {device.name for device in seen.devices}
        assert stock.run("cat /proc/cmdline").stdout == "console=ttyS0\n"
        assert stock.run("echo fine").stdout == "fine\n"


def test_a_stock_guest_has_plain_qemus_board_and_no_other() -> None:
    with pytest.raises(BadRequest, match="stock machine"):
        guest(cold="stock", board="microvm")
    with pytest.raises(BadRequest):
        guest(cold="warm")


def test_what_one_guest_writes_the_next_one_does_not_see() -> None:
    with guest() as first:
        first.run("echo mine >/root/file; echo mine >/etc/passwd; sync")
    with guest() as second:
        assert second.run("ls /root").stdout == ""
        assert "root:x:0:0" in second.run("cat /etc/passwd").stdout


def test_memory_is_shared_until_it_is_written_to(two: tuple[GuestSandbox, GuestSandbox]) -> None:
    first, second = two
    before = first.facts().pss_bytes
    first.run("head -c 60000000 /dev/zero >/tmp/filled")
    assert first.facts().pss_bytes > before + (40 << 20)
    assert second.facts().pss_bytes < first.facts().pss_bytes - (30 << 20)


def test_the_template_is_in_the_list_with_its_size(two: tuple[GuestSandbox, GuestSandbox]) -> None:
    newest = templates()[0]
    assert "MiB" in newest.what
    assert (10 << 20) < newest.size_bytes < (1 << 30)


BUILDING = """
import sys
from sandboxes.guests import guest
with guest(memory="112M", say=lambda line: print(line, flush=True)) as vm:
    print("answered", vm.run("hostname").exit_code, flush=True)
"""


def test_two_processes_that_want_the_same_template_make_it_once(tmp_path: Path) -> None:
    shared = own_cache(tmp_path)
    both = [
        subprocess.Popen([sys.executable, "-c", BUILDING], stdout=subprocess.PIPE, text=True, env=shared)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert ["answered 0" in text for text in said] == [True, True]
    assert sorted("making a template" in text for text in said) == [False, True]


def own_cache(folder: Path) -> dict[str, str]:
    """The environment of a process with a cache of its own, which has everything but templates."""
    theirs, ours = folder / "boundaries", template_cache.templates_folder().parents[1]
    (theirs / "guests").mkdir(parents=True)
    for path in [*ours.iterdir(), *(ours / "guests").iterdir()]:
        if path.name not in ("guests", "templates") and not path.name.startswith("."):
            (theirs / path.relative_to(ours)).symlink_to(path)
    return {**os.environ, "XDG_CACHE_HOME": str(folder)}


def test_a_template_cannot_be_written_to_by_anyone(two: tuple[GuestSandbox, GuestSandbox]) -> None:
    kept: Template = next(reversed(template_cache._loaded.values()))
    for handle in (kept.memory, kept.devices):
        with pytest.raises(PermissionError):
            os.pwrite(handle, b"x", 0)
        with pytest.raises(PermissionError):
            os.ftruncate(handle, 0)


def test_a_guest_of_a_template_is_not_the_host(two: tuple[GuestSandbox, GuestSandbox]) -> None:
    assert two[0].namespaces().boot_id not in (kernel.boot_id(), two[1].namespaces().boot_id)
