"""The initramfs is a newc archive that any reader of the format can read."""

from __future__ import annotations

import stat

import pytest

from sandboxes.guests.cpio import Entry, archive, character_device, file, folder, link


def read_back(data: bytes) -> list[tuple[str, int, bytes, tuple[int, int], int]]:
    """A reader written from the format's description: name, mode, content, device, inode."""
    found, at = [], 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * number : at + 14 + 8 * number], 16) for number in range(13)]
        name_at = at + 110
        name = data[name_at : name_at + fields[11] - 1].decode()
        assert data[name_at + fields[11] - 1] == 0
        content_at = -(-(name_at + fields[11]) // 4) * 4
        content = data[content_at : content_at + fields[6]]
        at = -(-(content_at + fields[6]) // 4) * 4
        if name == "TRAILER!!!":
            assert at == len(data)
            return found
        found.append((name, fields[1], content, (fields[9], fields[10]), fields[0]))


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 4095])
def test_content_of_any_length_comes_back(length: int) -> None:
    content = bytes(range(256)) * 16
    entries = [file("a", content[:length]), file("bc", b"next")]
    assert [(name, data) for name, _, data, _, _ in read_back(archive(entries))] == [
        ("a", content[:length]),
        ("bc", b"next"),
    ]


def test_types_and_permissions_are_kept() -> None:
    entries = [
        folder("/dev"),
        character_device("/dev/console", 5, 1),
        link("/init", "bin/busybox"),
        file("/x", b"", 0o755),
    ]
    seen = {name: (mode, data, device) for name, mode, data, device, _ in read_back(archive(entries))}
    assert seen == {
        "dev": (stat.S_IFDIR | 0o755, b"", (0, 0)),
        "dev/console": (stat.S_IFCHR | 0o600, b"", (5, 1)),
        "init": (stat.S_IFLNK | 0o777, b"bin/busybox", (0, 0)),
        "x": (stat.S_IFREG | 0o755, b"", (0, 0)),
    }


def test_equal_input_gives_equal_bytes_and_every_file_its_own_inode() -> None:
    entries = [Entry(f"f{number}", stat.S_IFREG | 0o644, b"x") for number in range(5)]
    assert archive(entries) == archive(entries)
    assert len({inode for *_, inode in read_back(archive(entries))}) == 5
