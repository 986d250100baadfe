"""What is kept of a template is what was saved; the name it is kept by says what it depends on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandboxes.guests import template_cache
from sandboxes.guests.boards import MICROVM
from sandboxes.guests.machine import Machine
from sandboxes.guests.system import Loaded, System, Warming
from sandboxes.guests.template import ABOUT, MEMORY, PIECE_BYTES, Damaged, Template, blank, loaded

SMALL = Machine("template", 256 << 20, 1, network=False, accelerator="tcg", firmware=None)


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    program, kernel, archive = (tmp_path / name for name in ("qemu", "kernel", "archive"))
    for path in (program, kernel, archive):
        path.write_bytes(path.name.encode())
    monkeypatch.setattr(template_cache, "needed_program", lambda kind: program)
    return System(kernel, (Loaded(archive),), ("quiet",), 30.0)


def filled(pieces: dict[int, bytes], size_bytes: int) -> int:
    handle = blank(size_bytes)
    for place, data in pieces.items():
        os.pwrite(handle, data, place)
    return handle


@pytest.fixture
def saved(tmp_path: Path) -> Iterator[Path]:
    memory = {0: b"first", 3 * PIECE_BYTES - 2: b"over an edge", 8 * PIECE_BYTES - 4: b"last"}
    devices = blank()
    os.write(devices, b"devices")
    Template(filled(memory, 8 * PIECE_BYTES), devices).save(tmp_path, "a test")
    yield tmp_path


def test_what_is_loaded_is_what_was_saved_and_holes_stay_holes(saved: Path) -> None:
    kept = loaded(saved)
    assert os.pread(kept.memory, 5, 0) == b"first"
    assert os.pread(kept.memory, 12, 3 * PIECE_BYTES - 2) == b"over an edge"
    assert os.pread(kept.memory, 9, 8 * PIECE_BYTES - 4) == b"last"
    assert os.fstat(kept.memory).st_size == 8 * PIECE_BYTES
    assert os.pread(kept.devices, 100, 0) == b"devices"
    assert (saved / MEMORY).stat().st_blocks * 512 < 8 * PIECE_BYTES


def test_a_file_without_holes_is_the_same_template(saved: Path) -> None:
    data = (saved / MEMORY).read_bytes()
    (saved / MEMORY).write_bytes(data)
    assert os.pread(loaded(saved).memory, 5, 0) == b"first"


@pytest.mark.parametrize("place", [0, 5, 3 * PIECE_BYTES, 5 * PIECE_BYTES, 8 * PIECE_BYTES - 1])
def test_any_byte_that_has_changed_is_found(saved: Path, place: int) -> None:
    with (saved / MEMORY).open("r+b") as file:
        byte = os.pread(file.fileno(), 1, place)
        os.pwrite(file.fileno(), bytes([byte[0] ^ 128]), place)
    with pytest.raises(Damaged, match="memory has changed"):
        loaded(saved)


def test_contents_that_changed_places_are_found(saved: Path) -> None:
    data = (saved / MEMORY).read_bytes()
    (saved / MEMORY).write_bytes(data[PIECE_BYTES:] + data[:PIECE_BYTES])
    with pytest.raises(Damaged):
        loaded(saved)


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"sha256": {"memory": "00"}}'])
def test_a_note_that_says_nothing_is_damage(saved: Path, note: str) -> None:
    (saved / ABOUT).write_text(note)
    with pytest.raises(Damaged):
        loaded(saved)


def test_descriptors_of_what_is_damaged_are_closed(saved: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    (saved / ABOUT).write_text(json.dumps({"sha256": {"memory": "0", "devices": "0"}}))
    with pytest.raises(Damaged):
        loaded(saved)
    assert set(os.listdir("/proc/self/fd")) <= before


def test_the_same_guest_has_the_same_template_whatever_its_name_will_be(system: System) -> None:
    assert template_cache.key_of(SMALL, system) == template_cache.key_of(replace(SMALL), replace(system))


def test_whatever_it_depends_on_changes_the_key(system: System, tmp_path: Path) -> None:
    keys = {template_cache.key_of(SMALL, system)}
    machines = [
        replace(SMALL, memory_bytes=128 << 20),
        replace(SMALL, cpus=2),
        replace(SMALL, network=True),
        replace(SMALL, accelerator="kvm"),
        replace(SMALL, firmware=tmp_path / "kernel"),
        replace(SMALL, board=MICROVM),
        replace(SMALL, devices=("-device", "pvpanic")),
        replace(SMALL, cpu_model="qemu64"),
    ]
    keys |= {template_cache.key_of(machine, system) for machine in machines}
    (tmp_path / "other").write_bytes(b"other")
    systems = [
        replace(system, words=("loud",)),
        replace(system, kernel=tmp_path / "other"),
        replace(system, loaded=(Loaded(tmp_path / "other"),)),
        replace(system, loaded=(Loaded(tmp_path / "archive", ("dom0",)),)),
    ]
    keys |= {template_cache.key_of(SMALL, other) for other in systems}
    (tmp_path / "archive").write_bytes(b"its content is another one")
    keys.add(template_cache.key_of(SMALL, system))
    (tmp_path / "qemu").write_bytes(b"a newer one")
    keys.add(template_cache.key_of(SMALL, system))
    assert len(keys) == 1 + len(machines) + len(systems) + 2


def test_what_must_be_up_in_it_changes_the_key(system: System) -> None:
    warm = replace(system, warming=(Warming("waiting", "until ready; do sleep 1; done", 9.0),))
    assert template_cache.key_of(SMALL, warm) != template_cache.key_of(SMALL, system)


def test_a_template_that_was_made_on_purpose_outlasts_any_number_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for number in range(template_cache.MOST + 3):
        template_cache.template(
            f"{number:02x}", "a test", lambda: Template(blank(), blank()), print, lasting=number == 0
        )
        os.utime(template_cache.templates_folder() / f"{number:02x}" / ABOUT, (number, number))
    kept = {one.key for one in template_cache.templates()}
    assert "00" in kept and "01" not in kept and len(kept) == template_cache.MOST + 1
