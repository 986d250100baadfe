"""The image is made here, is the same wherever it is made, and needs nothing else to run."""

from __future__ import annotations

import io
import struct
import sys
import tarfile
from pathlib import Path

import pytest

from sandboxes import busybox, programs
from sandboxes.errors import EngineUnavailable

BUSYBOX = b"\x7fELF pretended"


def members(tar: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        return {member.name: member for member in opened.getmembers()}


def test_the_same_busybox_gives_the_same_bytes_in_any_order_of_applets() -> None:
    assert busybox.build(BUSYBOX, ["sh", "ls", "cat"]) == busybox.build(BUSYBOX, ["cat", "sh", "ls"])


def test_another_busybox_gives_another_image() -> None:
    assert busybox.build(BUSYBOX, ["sh"]) != busybox.build(BUSYBOX + b"!", ["sh"])


def test_nothing_in_it_tells_who_made_it_or_when() -> None:
    for member in members(busybox.build(BUSYBOX, ["sh"])).values():
        assert (member.mtime, member.uname, member.gname) == (0, "", "")
        assert member.uid == (1000 if member.name == "home/reader" else 0)


def test_it_has_the_folders_and_files_of_a_small_system() -> None:
    found = members(busybox.build(BUSYBOX, ["sh", "busybox"]))
    assert {"tmp", "proc", "sys", "dev", "root", "home/reader", "etc/passwd", "bin/busybox", "bin/sh"} <= found.keys()
    assert found["tmp"].mode == 0o1777
    assert found["bin/busybox"].mode == 0o755 and found["bin/busybox"].isreg()
    assert found["bin/sh"].linkname == "busybox"


def test_it_has_the_users_root_and_reader() -> None:
    with tarfile.open(fileobj=io.BytesIO(busybox.build(BUSYBOX, []))) as tar:
        passwd = tar.extractfile("etc/passwd")
        assert passwd is not None
        lines = passwd.read().decode().splitlines()
    users = {line.split(":")[0]: int(line.split(":")[2]) for line in lines}
    assert users == {"root": 0, "reader": 1000}


def test_no_setuid_program_is_in_it() -> None:
    assert not any(member.mode & 0o6000 for member in members(busybox.build(BUSYBOX, ["su", "ping"])).values())


def test_a_dynamic_program_is_recognised() -> None:
    assert not programs.is_static(Path(sys.executable).resolve().read_bytes())


def test_a_script_and_an_empty_file_are_no_static_programs() -> None:
    assert not programs.is_static(b"#!/bin/sh\n")
    assert not programs.is_static(b"")


@pytest.mark.parametrize(("kind", "static"), [(1, True), (3, False)])
def test_the_interpreter_header_decides(kind: int, static: bool) -> None:
    header = bytearray(64)
    header[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", header, 32, 64)
    struct.pack_into("<HH", header, 54, 56, 1)
    assert programs.is_static(bytes(header) + struct.pack("<I", kind).ljust(56, b"\0")) is static


def test_a_machine_without_busybox_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busybox.shutil, "which", lambda *args, **kwargs: None)
    with pytest.raises(EngineUnavailable, match="busybox-static"):
        busybox.busybox_image()


def test_a_busybox_that_needs_libraries_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busybox.shutil, "which", lambda *args, **kwargs: str(Path(sys.executable).resolve()))
    with pytest.raises(EngineUnavailable, match="statically linked"):
        busybox.busybox_image()


def test_the_tag_is_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        built = busybox.busybox_image()
    except EngineUnavailable as missing:
        pytest.skip(missing.seen)
    assert built.tag.startswith("boundaries/busybox:") and len(built.tag.split(":")[1]) == 16
    assert busybox.busybox_image() is built
