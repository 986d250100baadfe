"""Templates that are damaged, cut short or find no room; owners killed while one is made or taken over."""

from __future__ import annotations

import gc
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandboxes.errors import StartFailed
from sandboxes.guests import guest, started, template_build, template_cache, templates
from sandboxes.guests.template import ABOUT, DEVICES, MEMORY, Template, blank
from sandboxes.guests.template_restore import NotRestored
from sandboxes.lifecycle import runtime_folder
from tests.machine import Photograph, settled, until_gone

pytestmark = pytest.mark.usefixtures("guest_ready")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for templates of its own, empty; this process has none loaded."""
    folder = tmp_path / "templates"
    folder.mkdir()
    monkeypatch.setattr(template_cache, "templates_folder", lambda: folder)
    yield folder
    for place in [place for place in template_cache._loaded if place[0] == folder]:
        del template_cache._loaded[place]


def small(said: list[str] | None = None) -> str:
    """How a small guest came to run, once it has answered."""
    with guest(memory="96M", say=(said if said is not None else []).append) as one:
        assert one.run("hostname").stdout.strip() == one.name
        return one.started


def made(own: Path) -> Path:
    """The folder of a template that was made just now, and that this process has forgotten."""
    assert small() == "template"
    template_cache._loaded.clear()
    (one,) = templates()
    return own / one.key


def flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(os.lseek(file.fileno(), 0, os.SEEK_DATA) + 5)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a byte of memory": lambda folder: flip(folder / MEMORY),
    "a byte of the devices": lambda folder: flip(folder / DEVICES),
    "memory cut short": lambda folder: os.truncate(folder / MEMORY, 50 << 20),
    "memory grown": lambda folder: os.truncate(folder / MEMORY, 200 << 20),
    "devices cut short": lambda folder: os.truncate(folder / DEVICES, 1000),
    "no memory": lambda folder: (folder / MEMORY).unlink(),
    "no devices": lambda folder: (folder / DEVICES).unlink(),
    "no note": lambda folder: (folder / ABOUT).unlink(),
    "an empty note": lambda folder: (folder / ABOUT).write_text(""),
    "nonsense as a note": lambda folder: (folder / ABOUT).write_text('{"sha256": 3}'),
}


def test_a_damaged_template_is_made_anew(own: Path) -> None:
    folder = made(own)
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name, damage in DAMAGES.items():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for file, data in kept.items():
            (folder / file).write_bytes(data)
        damage(folder)
        assert template_cache._kept(folder.name) is None, name
    said: list[str] = []
    assert small(said) == "template"
    assert "making a template" in said[0]
    assert template_cache._kept(folder.name) is not None


def test_another_qemu_has_other_templates(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(own)
    monkeypatch.setattr(template_cache, "_build", lambda program: ["/usr/bin/qemu", 1, 2])
    said: list[str] = []
    small(said)
    assert "making a template" in said[0]
    assert len(templates()) == 2


def test_a_template_that_qemu_does_not_take_is_made_anew_once(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = made(own).name
    bad, devices = blank(96 << 20), blank()
    os.write(devices, b"QEVM but nothing that goes on")
    template_cache._loaded[own, key] = Template(bad, devices)
    said: list[str] = []
    assert small(said) == "template"
    assert "of no use any more (QEMU failed with status 1" in said[0]
    assert "making a template" in said[1]


def test_when_the_new_one_is_not_taken_either_that_is_an_error(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(machine: object, template: object) -> None:
        raise NotRestored("QEMU failed with status 1 (no such device)")

    monkeypatch.setattr(started, "restored", refused)
    monkeypatch.setattr(started, "built", lambda machine, system, say: Template(blank(4096), blank(4096)))
    with pytest.raises(StartFailed, match="no such device") as raised:
        guest(memory="96M", say=[].append)
    assert "cold=True" in raised.value.remedy


def test_without_room_on_disk_the_guest_runs_and_the_template_lives_with_its_process(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", own], check=False).returncode:
        pytest.skip("this user may not mount")
    try:
        said: list[str] = []
        assert small(said) == "template"
        assert "No space left on device" in said[-1]
        assert list(own.iterdir()) == []
        assert small(said) == "template"
        assert len([line for line in said if "making a template" in line]) == 1
    finally:
        subprocess.run(["umount", own], check=True)


def test_those_not_used_for_longest_go_first_and_a_guest_that_runs_does_not_mind(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template_cache, "MOST", 2)
    with guest(memory="96M", say=[].append) as running:
        (its,) = templates()
        os.utime(own / its.key / ABOUT, (0, 0))
        for number in range(3):
            fresh = Template(blank(4096), blank(4096))
            template_cache._keep(f"{number:024x}", "a test", fresh, lasting=False)
            os.utime(own / f"{number:024x}" / ABOUT, (time.time() - 100 + number,) * 2)
        assert [one.key for one in templates()] == [f"{number:024x}" for number in (2, 1)]
        assert running.run("cat /proc/version").exit_code == 0


def test_a_guest_that_does_not_boot_is_told_with_its_console_and_no_template_is_left(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandboxes.guests.system.KERNEL_WORDS", ("panic=-1", "rdinit=/nothing"))
    descriptors = set(os.listdir("/proc/self/fd"))
    with pytest.raises(StartFailed, match="Kernel panic"):
        guest(memory="96M", say=[].append)
    assert list(own.iterdir()) == []
    assert set(os.listdir("/proc/self/fd")) <= descriptors


@pytest.mark.parametrize("after_s", [0.1, 0.4])
def test_an_interrupt_while_a_template_is_made_leaves_nothing(own: Path, after_s: float) -> None:
    before = Photograph.take()
    timer = threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        guest(memory="96M", accelerator="tcg", say=[].append)  # with KVM it would be made by then
    assert list(own.iterdir()) == []
    assert settled(before) == {}


def test_a_qemu_killed_while_it_becomes_a_template_is_told(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = template_build._save
    monkeypatch.setattr(
        template_build, "_save", lambda emulator, devices: (emulator.qemu.process.kill(), save(emulator, devices))
    )
    with pytest.raises(StartFailed, match="killed by SIGKILL"):
        guest(memory="96M", say=[].append)
    assert list(own.iterdir()) == []


OWNING = """
import sys
from pathlib import Path
from sandboxes.guests import guest, template_cache
from sandboxes.lifecycle import owner
template_cache.templates_folder = lambda: Path(sys.argv[1])
print(owner().id, owner().guard_pid, flush=True)
while True:
    if sys.argv[2] == "making":
        template_cache._loaded.clear()
        for one in template_cache.templates():
            template_cache.forget(one.key)
    guest(memory="96M", say=len).close()
"""


def owning(folder: Path, work: str) -> tuple[subprocess.Popen[str], str, int]:
    """A process that starts guests all the time, its id as an owner, and the pid of its guard."""
    process = subprocess.Popen([sys.executable, "-c", OWNING, str(folder), work], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    owner_id, guard_pid = process.stdout.readline().split()
    return process, owner_id, int(guard_pid)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("work", "longest_s"), [("making", 2.4), ("taking over", 0.4)])
def test_a_killed_owner_leaves_no_qemu_and_no_half_of_a_template(
    own: Path, soak: bool, work: str, longest_s: float
) -> None:
    made(own)
    for number in range(100 if soak else 5):
        process, owner_id, guard_pid = owning(own, work)
        time.sleep(random.random() * longest_s)
        if both := number % 5 == 4:
            os.kill(guard_pid, signal.SIGKILL)
        process.kill()
        process.communicate()
        if both:
            subprocess.run([sys.executable, "-c", "from sandboxes.lifecycle import owner; owner()"], check=True)
        assert until_gone(owner_id, 60) == []
        assert not (runtime_folder() / owner_id).exists()
        for path in own.glob("[0-9a-f]*"):
            template_cache._loaded.clear()
            assert template_cache._kept(path.name) is not None, "what has its name is whole"
    assert small() == "template"
    assert list(own.glob(".*-*")) == []


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_starting_and_closing_again_and_again_grows_nothing(soak: bool) -> None:
    for _ in range(5):
        guest().close()
    gc.collect()
    descriptors, before = len(os.listdir("/proc/self/fd")), resident_bytes()
    threads = threading.active_count()
    for number in range(500 if soak else 50):
        with guest() as one:
            if number % 10 == 0:
                assert one.run(["true"]).exit_code == 0
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert threading.active_count() <= threads
    assert resident_bytes() < before + (24 << 20)
    assert zombies() == []


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def zombies() -> list[str]:
    """Children of this process that have ended and were not waited for (proc_pid_stat(5), fields 3 and 4)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state == "Z" and int(parent) == os.getpid():
            found.append(path.parent.name)
    return found
