"""Browser libraries: what is taken, that it is checked, and that a second fetch does nothing."""

import base64
import hashlib
import io
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from book import vendor
from sandboxes.errors import Unavailable

PACKAGE = vendor.Source("thing", "1.0.0", None, "dist", ("*.js", "css/*"), "things")


def tarball(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "thing-1.0.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def integrity(path: Path) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> vendor.Source:
    """Stands in for npm: gives one tarball; the returned package pins it."""
    path = tarball(tmp_path, {"dist/a.js": b"a", "dist/css/b.css": b"b", "dist/c.map": b"c", "README.md": b"r"})
    monkeypatch.setattr(vendor, "npm_command", lambda: ["npm"])
    monkeypatch.setattr(vendor, "_pack", lambda packages, scratch: [path for _ in packages])
    return replace(PACKAGE, integrity=integrity(path))


def test_only_the_wanted_files_are_unpacked(registry: vendor.Source, tmp_path: Path) -> None:
    folder = vendor.fetch(lambda text: None, tmp_path / "vendor", vendor.Sources((registry,), (), "list"))
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {"things/a.js", "things/css/b.css", ".stamp"}


def test_a_second_fetch_does_nothing(registry: vendor.Source, tmp_path: Path) -> None:
    sources = vendor.Sources((registry,), (), "list")
    vendor.fetch(lambda text: None, tmp_path / "vendor", sources)
    said: list[str] = []
    vendor.fetch(said.append, tmp_path / "vendor", sources)
    assert said == []


def test_a_changed_list_is_fetched_again(registry: vendor.Source, tmp_path: Path) -> None:
    vendor.fetch(lambda text: None, tmp_path / "vendor", vendor.Sources((registry,), (), "list"))
    said: list[str] = []
    vendor.fetch(said.append, tmp_path / "vendor", vendor.Sources((registry,), (), "another list"))
    assert said


def test_a_file_that_is_not_the_pinned_one_is_refused_and_nothing_is_left(
    registry: vendor.Source, tmp_path: Path
) -> None:
    wrong = replace(registry, integrity="sha512-AAAA")
    target = tmp_path / "place" / "vendor"
    target.parent.mkdir()
    with pytest.raises(Unavailable, match="not the file that this book was tested with"):
        vendor.fetch(lambda text: None, target, vendor.Sources((wrong,), (), "list"))
    assert list(target.parent.iterdir()) == []


def test_a_package_without_the_wanted_files_is_refused(registry: vendor.Source, tmp_path: Path) -> None:
    empty = replace(registry, match=("*.wasm",))
    with pytest.raises(Unavailable, match="none of the files"):
        vendor.fetch(lambda text: None, tmp_path / "vendor", vendor.Sources((empty,), (), "list"))


def test_a_path_that_climbs_is_never_wanted() -> None:
    assert PACKAGE.target("dist/../../evil.js") is None
    assert PACKAGE.target("other/a.js") is None
    assert PACKAGE.target("dist/a.js") == "things/a.js"


def test_a_failing_npm_says_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr="npm error code ENOTFOUND\n")
    monkeypatch.setattr(vendor, "npm_command", lambda: ["npm"])
    monkeypatch.setattr(vendor.subprocess, "run", lambda *given, **more: failed)
    with pytest.raises(Unavailable, match="ENOTFOUND"):
        vendor.fetch(lambda text: None, tmp_path / "vendor", vendor.Sources((PACKAGE,), (), "list"))


def test_every_package_of_the_list_is_pinned_by_version_and_sha512() -> None:
    for package in vendor.read_list().packages:
        assert package.version[0].isdigit()
        assert package.integrity is not None
        assert len(base64.b64decode(package.integrity.removeprefix("sha512-"))) == 64


def test_npm_replies_of_old_and_new_versions_are_read() -> None:
    row = {"name": "thing", "filename": "thing-1.0.0.tgz"}
    assert vendor._rows([row]) == vendor._rows({"thing": row}) == [row]
    assert vendor._flat("@scope/thing-1.0.0.tgz") == "scope-thing-1.0.0.tgz"
