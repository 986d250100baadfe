"""The one command: words it knows, what it prints, how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from book.setup import packages

ROOT = Path(__file__).resolve().parents[2]


def textbook(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "book", *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_doctor_gives_data_under_stable_keys() -> None:
    done = textbook("doctor", "--json")
    found = json.loads(done.stdout)
    keys = {
        "host",
        "engine",
        "tiers",
        "cgroups",
        "accelerator",
        "guest",
        "disk",
        "memory",
        "pools",
        "ports",
        "problems",
        "templates",
    }
    assert set(found) == keys
    assert done.returncode == (1 if found["problems"] else 0)


def test_doctor_says_the_same_in_words() -> None:
    data = json.loads(textbook("doctor", "--json").stdout)
    words = " ".join(textbook("doctor", COLUMNS="300").stdout.split())
    assert data["host"]["kernel"] in words
    assert data["cgroups"]["version"] in words
    if data["engine"]:
        assert data["engine"]["version"] in words
    assert [tier["name"] for tier in data["tiers"]] == ["reader", "private", "rootless", "podman", "guest", "bare"]
    assert words.count("(chosen)") == 1
    if data["accelerator"]:
        assert data["accelerator"]["name"] in words


def test_doctor_names_a_missing_engine_and_what_to_do(tmp_path: Path) -> None:
    """A docker client without an engine is not an engine."""
    (tmp_path / "docker").write_text("#!/bin/sh\necho Docker version 28\n")
    (tmp_path / "docker").chmod(0o755)
    done = textbook("doctor", "--json", PATH=str(tmp_path), DOCKER_HOST="unix:///nowhere/docker.sock")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert found["engine"] is None or found["engine"]["origin"] == "private"
    assert all(problem["what"] and problem["seen"] and problem["try"] for problem in found["problems"])
    assert any("apt-get install" in problem["try"] for problem in found["problems"])


@pytest.mark.parametrize("words", [(), ("bake",), ("serve", "--port", "many"), ("build", "--fast")])
def test_unknown_words_are_refused_with_usage(words: tuple[str, ...]) -> None:
    done = textbook(*words)
    assert done.returncode == 2
    assert "usage: textbook" in done.stderr


def test_who_may_not_install_is_told_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    need = packages.Need("a thing", ("no-such-package",), "does things", "nothing works", lambda: False)
    monkeypatch.setattr(packages, "_root_command", lambda: None)
    with pytest.raises(packages.PackagesMissing) as caught:
        packages.install([need])
    text = str(caught.value)
    assert "no-such-package" in text
    assert "does things" in text
    assert "apt-get install" in text


def test_a_package_with_two_names_is_the_one_that_apt_knows() -> None:
    assert packages._known("no-such-package-at-all | busybox-static") == "busybox-static"
    assert packages._known("busybox-static | no-such-package-at-all") == "busybox-static"


def test_what_is_there_is_not_installed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*words: object) -> None:
        raise AssertionError(words)

    monkeypatch.setattr(packages, "_apt", never)
    packages.install([packages.Need("python", ("python3",), "", "", lambda: True)])


def test_the_shell_part_names_a_python_that_is_too_old(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'Python 3.6.15'\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(
        [str(ROOT / "textbook"), "doctor"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(old)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "3.6.15" in done.stderr
    assert "try:" in done.stderr
