"""Programs bring their libraries along: those that they name, and those that these name."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sandboxes.errors import GuestUnavailable
from sandboxes.guests.elf import interpreter, libraries
from sandboxes.guests.libraries import parse_libraries, with_libraries

PROGRAM = shutil.which("ls") or "/bin/ls"


def test_only_libraries_are_taken_from_what_apt_lists_each_once() -> None:
    listed = "crun\n  Depends: libc6\nlibc6\nlibyajl2\n<virtual>\ndebconf\nzlib1g\nlibc6\n"
    assert parse_libraries(listed) == ("libc6", "libyajl2", "zlib1g")


def test_a_program_with_a_missing_library_is_told(tmp_path: Path) -> None:
    with pytest.raises(GuestUnavailable, match=r"(?s)missing.*no \S+ in the packages"):
        with_libraries({"usr/bin/ls": Path(PROGRAM).read_bytes()}, tmp_path)


def test_a_program_runs_with_nothing_but_what_came_along(tmp_path: Path) -> None:
    tree, root = tmp_path / "tree", tmp_path / "root"
    tree.mkdir()
    loader = interpreter(Path(PROGRAM).read_bytes())
    assert loader is not None
    for path in _loaded(PROGRAM):
        shutil.copy(path, tree)
    entries = with_libraries({"usr/bin/ls": Path(PROGRAM).read_bytes()}, tree)
    for entry in entries:
        place = root / entry.path
        place.parent.mkdir(parents=True, exist_ok=True)
        if entry.data:
            place.write_bytes(entry.data)
            place.chmod(0o755)
    assert set(libraries(Path(PROGRAM).read_bytes())) <= {entry.path.rpartition("/")[2] for entry in entries}
    words = [f"{root}{loader}", "--library-path", f"{root}/lib", f"{root}/usr/bin/ls", str(root)]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "lib\nlib64\nusr\n"


def _loaded(program: str) -> set[str]:
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return {word for word in said.split() if word.startswith("/")}
