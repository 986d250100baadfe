"""Remove everything a dead owner left; as a program, wait for the owner's death and then do it.

What belongs to an owner can be told without a list that might be out of date: its processes carry MARK in their
environment, its cgroups are called boundaries-ID, its files are in one folder, and for things that only an engine can
remove the owner left a command in FOLDER/farewell/. Standard library only: the guard starts as a plain script, so that
it costs a few MB and no imports of the package.
"""

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "BOUNDARIES_OWNER"
FAREWELL_S = 20.0


def marked_processes(owner_id: str) -> Iterator[int]:
    """Pids whose initial environment (proc_pid_environ(5)) carries this owner's mark; zombies have none."""
    wanted = f"{MARK}={owner_id}".encode()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if wanted in Path("/proc", entry, "environ").read_bytes().split(b"\0"):
                    yield int(entry)


def kill_marked(owner_id: str, deadline_s: float = 5.0) -> None:
    """SIGKILL the owner's processes until none is left; a pidfd makes sure that no reused pid is hit."""
    until = time.monotonic() + deadline_s
    while time.monotonic() < until:
        found = [pid for pid in marked_processes(owner_id) if pid != os.getpid()]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(OSError):
                handle = os.pidfd_open(pid)
                try:
                    if pid in marked_processes(owner_id):
                        signal.pidfd_send_signal(handle, signal.SIGKILL)
                finally:
                    os.close(handle)
        time.sleep(0.01)


def remove_cgroups(owner_id: str, root: Path = Path("/sys/fs/cgroup"), deadline_s: float = 3.0) -> None:
    """Remove boundaries-ID in every hierarchy: a cgroup can go when its last process is gone and its children too."""
    until = time.monotonic() + deadline_s
    while True:
        left = [top for base in (root, *root.glob("*/")) if (top := base / f"boundaries-{owner_id}").is_dir()]
        if not left or time.monotonic() > until:
            return
        for top in left:
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        time.sleep(0.01)


def say_farewell(folder: Path) -> None:
    """Run the commands that the owner left behind, each once, each with a deadline."""
    for letter in sorted((folder / "farewell").glob("*.json")):
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            subprocess.run(json.loads(letter.read_text()), timeout=FAREWELL_S, check=False, capture_output=True)
        letter.unlink(missing_ok=True)


def reap(owner_id: str, folder: Path) -> None:
    """Afterwards nothing of this owner is left. Safe to repeat, and safe while another process does the same."""
    kill_marked(owner_id)
    say_farewell(folder)
    remove_cgroups(owner_id)
    shutil.rmtree(folder, ignore_errors=True)


def dead_owners(runtime: Path) -> list[tuple[str, Path, int]]:
    """Owners whose lock is free: id, folder and the lock, now taken; close it after reaping."""
    found = []
    for folder in runtime.iterdir():
        if not (folder / "lock").is_file():
            continue
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
        else:
            found.append((folder.name, folder, handle))
    return found


def main(argv: list[str]) -> int:
    """argv: owner id, its folder, number of an inherited pidfd on the owner."""
    owner_id, folder, handle = argv[0], Path(argv[1]), int(argv[2])
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    select.select([handle], [], [])
    if folder.exists():
        reap(owner_id, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
