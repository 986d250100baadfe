"""Remove everything a dead owner left; as a program, wait for the owner's death and then do it.

What belongs to an owner can be told without a list that might be out of date: its processes carry MARK in their
environment, its cgroups are called boundaries-ID, its files are in one folder, and for things that only an engine can
remove the owner left a command in FOLDER/farewell/. Standard library only: the guard starts as a plain script, so that
it costs a few MB and no imports of the package.
"""

import contextlib
import json
import os
import re
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
FAREWELL_AGAIN_S = 600.0
FAREWELL_KEPT_S = 7 * 24 * 3600.0
SECOND_LOOK_S = 0.3
CGROUPS = Path("/sys/fs/cgroup")
MOUNTS = Path("/proc/self/mountinfo")


def marked_processes(owner_id: str) -> Iterator[int]:
    """Pids whose initial environment (proc_pid_environ(5)) carries this owner's mark; zombies have none."""
    return (int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _is_marked(int(entry), owner_id))


def kill_marked(owner_id: str, deadline_s: float = 5.0) -> None:
    """SIGKILL the owner's processes until two looks in a row find none: one may miss a child that was just forked."""
    until = time.monotonic() + deadline_s
    quiet = 0
    while quiet < 2 and time.monotonic() < until:
        found = [pid for pid in marked_processes(owner_id) if pid != os.getpid()]
        quiet = 0 if found else quiet + 1
        for pid in found:
            _kill(pid, owner_id)
        if found:
            thaw(owner_id)
            time.sleep(0.01)


def thaw(owner_id: str, root: Path = CGROUPS) -> None:
    """Nothing of the owner is frozen: version 1 keeps a frozen process from dying (freezer-subsystem.rst)."""
    for top in cgroups(owner_id, root):
        for folder, _, files in os.walk(top):
            if "freezer.state" in files:
                with contextlib.suppress(OSError):
                    Path(folder, "freezer.state").write_text("THAWED")


def cgroups(owner_id: str, root: Path = CGROUPS) -> list[Path]:
    """boundaries-ID in every hierarchy; of an "ID/NAME", what is called so in it."""
    return [top for base in (root, *root.glob("*/")) if (top := base / f"boundaries-{owner_id}").is_dir()]


def remove_cgroups(owner_id: str, root: Path = CGROUPS, deadline_s: float = 3.0) -> None:
    """Their members are dead, and they are gone: a cgroup can go when it has no process and no child any more."""
    until = time.monotonic() + deadline_s
    while (left := cgroups(owner_id, root)) and time.monotonic() < until:
        thaw(owner_id, root)
        for top in left:
            for folder, _, _ in os.walk(top, topdown=False):
                _kill_members(Path(folder))
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        time.sleep(0.01)


def say_farewell(folder: Path) -> None:
    """Run the commands that the owner left behind. One that fails stays: its file's time says when to try it again.

    An engine that hangs costs FAREWELL_S; a week after the owner was born it is given up.
    """
    for letter in sorted((folder / "farewell").glob("*.json")):
        with contextlib.suppress(OSError):
            now = time.time()
            if letter.stat().st_mtime > now:
                continue
            if _succeeds(letter) or now - (folder / "lock").stat().st_mtime > FAREWELL_KEPT_S:
                letter.unlink()
            else:
                os.utime(letter, (now, now + FAREWELL_AGAIN_S))


def remove_folder(folder: Path) -> None:
    """Gone, unless a farewell waits in it. What is mounted in it is taken off first: rmtree would go through it."""
    if any((folder / "farewell").glob("*.json")):
        return
    for point in reversed(mounted_in(folder)):
        with contextlib.suppress(OSError):
            subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)  # noqa: S607
    if not mounted_in(folder):
        shutil.rmtree(folder, ignore_errors=True)


def mounted_in(folder: Path) -> list[str]:
    """Mount points below a folder, in the order of mounting (proc_pid_mountinfo(5), field 5: a space is \\040)."""
    fields = (line.split()[4] for line in MOUNTS.read_bytes().splitlines())
    points = (os.fsdecode(re.sub(rb"\\(\d{3})", lambda octal: bytes([int(octal[1], 8)]), field)) for field in fields)
    return [point for point in points if point.startswith(f"{folder}/")]


def reap(owner_id: str, folder: Path) -> None:
    """Afterwards nothing of this owner is left. Safe to repeat, and safe while another process does the same."""
    kill_marked(owner_id)
    say_farewell(folder)
    remove_cgroups(owner_id)
    remove_folder(folder)


def _succeeds(letter: Path) -> bool:
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        done = subprocess.run(json.loads(letter.read_text()), timeout=FAREWELL_S, check=False, capture_output=True)
        return done.returncode == 0
    return False


def _is_marked(pid: int, owner_id: str) -> bool:
    with contextlib.suppress(OSError):
        return f"{MARK}={owner_id}".encode() in Path("/proc", str(pid), "environ").read_bytes().split(b"\0")
    return False


def _kill(pid: int, owner_id: str) -> None:
    """A pidfd (pidfd_open(2)) is taken before looking again, so that no reused number is hit."""
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        try:
            if _is_marked(pid, owner_id):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def _kill_members(cgroup: Path) -> None:
    """SIGKILL to those that left the mark behind; 0 stands for processes of other pid namespaces (cgroups(7))."""
    with contextlib.suppress(OSError):
        for pid in map(int, (cgroup / "cgroup.procs").read_text().split()):
            if pid not in (0, os.getpid()):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)


def main(argv: list[str]) -> int:
    """argv: owner id, its folder, number of an inherited pidfd on the owner.

    It looks twice: a process that was between fork and exec when the owner died did not carry the mark yet.
    """
    owner_id, folder, handle = argv[0], Path(argv[1]), int(argv[2])
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    select.select([handle], [], [])
    reap(owner_id, folder)
    time.sleep(SECOND_LOOK_S)
    reap(owner_id, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
