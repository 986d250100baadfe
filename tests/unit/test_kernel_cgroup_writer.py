"""Switching controllers on for the cgroups below one, as cgroup version 2 wants it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sandboxes.errors import Unavailable
from sandboxes.kernel.cgroup_writer import _switch_on


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory\n")
    return tmp_path


def test_only_what_is_missing_is_switched_on(parent: Path) -> None:
    _switch_on(parent, ("memory", "cpu"))
    assert (parent / "cgroup.subtree_control").read_text() == "cpu memory\n"
    _switch_on(parent, ("cpu", "pids", "io"))
    assert (parent / "cgroup.subtree_control").read_text().startswith("+pids +io")


def test_a_parent_with_processes_is_unavailable_and_no_bad_request(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(handle: int, content: bytes) -> int:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(os, "write", busy)
    with pytest.raises(Unavailable, match="cannot be switched on") as caught:
        _switch_on(parent, ("pids",))
    assert "Device or resource busy" in caught.value.seen
