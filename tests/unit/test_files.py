"""What is put into a sandbox is packed here: only what was named, with bounds."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from sandboxes import files
from sandboxes.errors import BadRequest


def packed(contents: dict[str, files.Content]) -> dict[str, tuple[bytes, int]]:
    with tarfile.open(fileobj=io.BytesIO(files.archive(contents, "files"))) as tar:
        return {
            entry.name: (tar.extractfile(entry).read(), entry.mode)  # type: ignore[union-attr]
            for entry in tar.getmembers()
        }


def test_text_bytes_and_files_are_packed_under_their_paths(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    assert packed({"/tmp/a": "é", "/tmp/b": b"\0", "/run/c": program}) == {
        "tmp/a": ("é".encode(), 0o644),
        "tmp/b": (b"\0", 0o644),
        "run/c": (b"#!/bin/sh\n", 0o755),
    }


def test_of_a_folder_its_files_are_packed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/x").write_text("x")
    (tmp_path / "empty").mkdir()
    assert list(packed({"/tmp/in": tmp_path})) == ["tmp/in/deep/er/x"]


def test_more_than_the_bound_is_refused_before_it_is_sent() -> None:
    with pytest.raises(BadRequest, match="too much"):
        files.archive({"/tmp/a": bytes(files.MOST_BYTES), "/tmp/b": b"x"}, "files")


def test_of_a_folder_no_more_is_read_than_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    plain = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (read.append(path.name), plain(path))[1])
    for number in range(10):
        with (tmp_path / f"{number}").open("wb") as file:
            file.truncate(files.MOST_BYTES // 2)
    with pytest.raises(BadRequest, match="too much"):
        files.archive({"/tmp/in": tmp_path}, "files")
    assert read == ["0", "1", "2"]


@pytest.mark.parametrize("path", ["", "relative", "/", "/a/../b", "/a\0b", "/" + "x" * 5000, None, 3])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(BadRequest) as caught:
        files.archive({path: "x"}, "path")
    assert caught.value.field == "path"
