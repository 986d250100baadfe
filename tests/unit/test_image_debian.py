"""The Debian image: made from this machine's own archives, or one error that says what is missing."""

from __future__ import annotations

import platform
import stat
from pathlib import Path

import pytest

from sandboxes import apt
from sandboxes.containers.images import debian, foreign
from sandboxes.errors import Unavailable
from sandboxes.lifecycle.cache import kept
from sandboxes.programs import machine

KNOWN = """http://deb.example/debian bookworm main Debian
http://deb.example/debian bookworm main Debian
http://deb.example/debian-security bookworm-security main Debian
http://third.example/linux bookworm stable Docker
http://third.example/node nodistro main . nodistro
http://ubuntu.example/ubuntu noble universe Ubuntu
"""


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "boundaries/images"


def test_only_the_distribution_s_own_archives_are_used_each_once() -> None:
    assert apt.parse_sources(KNOWN) == (
        "deb http://deb.example/debian bookworm main\n"
        "deb http://deb.example/debian-security bookworm-security main\n"
        "deb http://ubuntu.example/ubuntu noble universe\n"
    )
    assert apt.parse_sources("") == ""


def test_an_error_does_not_tell_where_packages_come_from() -> None:
    told = apt.without_addresses("E: Failed to fetch http://deb.example/debian/x.deb  Could not resolve")
    assert told == "E: Failed to fetch (archive)  Could not resolve"


def test_apt_without_lists_is_told_to_be_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "run", lambda *argv: "")
    with pytest.raises(Unavailable, match="apt-get update"):
        apt.sources()


def test_a_machine_without_apt_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable, match="no apt"):
        apt.sources()


def test_a_machine_without_mmdebstrap_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, empty_cache: Path
) -> None:
    monkeypatch.setattr(debian.shutil, "which", lambda name: None)
    with pytest.raises(Unavailable, match="apt-get install mmdebstrap"):
        debian.debian_image()
    assert not list(empty_cache.glob("*.tar"))


def test_what_is_in_the_cache_needs_neither_mmdebstrap_nor_apt(
    monkeypatch: pytest.MonkeyPatch, empty_cache: Path
) -> None:
    digest = kept(empty_cache / f"debian-{debian._recipe()}.tar", lambda path: path.write_bytes(b"a tar") and None)
    monkeypatch.setenv("PATH", "/nowhere")
    image = debian.debian_image()
    assert image.tag == f"boundaries/debian:{digest[:16]}"


def test_a_failing_mmdebstrap_shows_the_end_of_its_log_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty_cache: Path
) -> None:
    program = tmp_path / "mmdebstrap"
    program.write_text("#!/bin/sh\necho half a tar\necho E: cannot reach http://deb.example/debian >&2\nexit 25\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(debian.shutil, "which", lambda name: str(program))
    monkeypatch.setattr(apt, "sources", lambda: KNOWN)
    said: list[str] = []
    with pytest.raises(Unavailable, match="exit status 25") as raised:
        debian.debian_image(said.append)
    assert "cannot reach (archive)" in raised.value.seen and len(said) == 1
    assert [path.suffix for path in empty_cache.iterdir()] == [".lock"]


@pytest.mark.parametrize(("part", "value"), [("PACKAGES", ("python3",)), ("WITHOUT", ()), ("HOOKS", ("true",))])
def test_another_recipe_is_another_image(part: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    before = debian._recipe()
    monkeypatch.setattr(debian, part, value)
    assert debian._recipe() != before


def test_another_release_is_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    before = debian._recipe()
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "debian", "VERSION_ID": "99"})
    assert debian._recipe() != before


def test_the_other_processor_is_one_that_this_machine_is_not() -> None:
    assert (foreign.other_architecture("x86_64"), foreign.other_architecture("aarch64")) == ("arm64", "amd64")
    with pytest.raises(Unavailable, match="mips"):
        foreign.other_architecture("mips")


def test_a_program_s_processor_is_in_its_header() -> None:
    assert machine(Path("/proc/self/exe").read_bytes()[:20]) == platform.machine()
    assert machine(b"\x7fELF\x02\x01" + bytes(12) + b"\xb7\x00") == "aarch64"
    assert machine(b"\x7fELF\x02\x02" + bytes(12) + b"\x00\x16") == "s390x"
    assert machine(b"#!/bin/sh\n") == machine(b"\x7fELF") == ""
