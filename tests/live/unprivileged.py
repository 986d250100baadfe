"""A user without privileges, made for the tests, and Python run as that user.

Root imports the package first and then becomes the user for good: where the interpreter and the checkout lie may be
closed to others. Then it is made dumpable again (PR_SET_DUMPABLE, prctl(2)): else its own /proc would be root's.
What is started later (the guard) comes from a copy that the user can read.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sandboxes
from sandboxes.lifecycle import RUNTIME

_BECOME = """
import ctypes, os, pwd, sys
import sandboxes as sb, sandboxes.containers as c
from sandboxes.errors import *
user = pwd.getpwnam(os.environ["USER"])
os.initgroups(user.pw_name, user.pw_gid)
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
sys.executable = "/usr/bin/python3"
"""


@dataclass(frozen=True)
class User:
    """`home` is the user's alone; runtime folders go to `home`/run."""

    name: str
    uid: int
    home: Path

    def environment(self) -> dict[str, str]:
        """As after a log-in, with the marks of this test session."""
        dropped = {"XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "DOCKER_HOST", "BOUNDARIES_ENGINE"}
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        own = {"HOME": str(self.home), "USER": self.name, "LOGNAME": self.name, RUNTIME: str(self.home / "run")}
        return {**kept, **own, "PATH": "/usr/bin:/bin"}

    def start(self, script: str, **environment: str) -> subprocess.Popen[str]:
        """Python as this user, with `sb`, `c` and the errors imported."""
        return subprocess.Popen(
            [sys.executable, "-c", _BECOME + script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environment(), **environment},
            cwd=self.home / "code",
        )

    def run(self, script: str, **environment: str) -> tuple[list[str], str]:
        """The lines that it printed, and its errors."""
        process = self.start(script, **environment)
        said, errors = process.communicate(timeout=120)
        return said.splitlines(), errors

    def left_when_killed(self, script: str) -> tuple[list[int], list[Path]]:
        """What is left after 10 s, processes and folders, when `script` was killed once it had printed "ready"."""
        process = self.start(script)
        assert process.stdout and process.stderr
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        assert len(self.processes()) > 2, "a guard, and what it guards"
        process.kill()
        process.communicate()
        left = self.wait_for_the_last(10.0)
        return left, [path for path in (self.home / "run").glob("*/*") if path.is_dir()]

    def processes(self) -> list[int]:
        """Pids of this user's processes, those of the user's range of numbers included."""
        return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and self._has(Path("/proc", entry))]

    def wait_for_the_last(self, deadline_s: float) -> list[int]:
        """Those of this user's processes that are left after `deadline_s`; it takes no longer than there are some."""
        until = time.monotonic() + deadline_s
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.05)
        return left

    def _has(self, process: Path) -> bool:
        try:
            mapped = (process / "uid_map").read_text().split()
            return process.stat().st_uid == self.uid or mapped[1:2] == [str(self.uid)]
        except OSError:
            return False


@contextmanager
def user(*, subordinate: bool = True) -> Iterator[User]:
    """A user with a range of subordinate numbers (subuid(5)), or without; removed afterwards, with the home."""
    name = f"bnd{secrets.token_hex(4)}"
    folder = Path(tempfile.mkdtemp(prefix="bnd-", dir="/tmp"))
    home = folder / "home"
    subprocess.run(["useradd", "--create-home", "--home-dir", str(home), name], check=True, capture_output=True)
    found = User(name, pwd.getpwnam(name).pw_uid, home)
    try:
        if not subordinate:
            for kind in ("subuid", "subgid"):
                _forget(Path("/etc") / kind, name)
        folder.chmod(0o755)
        (home / "run").mkdir()
        shutil.copytree(Path(sandboxes.__file__).parent, home / "code/sandboxes")
        subprocess.run(["chown", "-R", f"{name}:", str(home)], check=True)
        yield found
    finally:
        found.wait_for_the_last(10.0)
        shutil.rmtree(folder)
        subprocess.run(["userdel", name], check=True, capture_output=True)


def _forget(path: Path, name: str) -> None:
    path.write_text("".join(f"{line}\n" for line in path.read_text().splitlines() if not line.startswith(f"{name}:")))
