"""QEMU as a process of this host: spawned with the owner's mark and few rights, watched, killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import socket
import stat
import subprocess
import time
import weakref
from collections.abc import Sequence
from pathlib import Path

from sandboxes import kernel
from sandboxes.guests.cache import guests_folder
from sandboxes.guests.cgroup import born_in, memory_reason
from sandboxes.guests.discards import punch_no_holes
from sandboxes.lifecycle import MARK, owner

NOBODY = 65534
KVM = Path("/dev/kvm")
_TRACED = re.compile(r"\d+@\d+\.\d+:")
"""How a line begins that is an event, not a complaint."""
LOG_BYTES = 64 << 10


class Qemu:
    """From spawn to reaped. It is marked as this process's own, so that it dies with it."""

    process: subprocess.Popen[bytes]

    def __init__(
        self,
        program: Path,
        words: Sequence[str],
        inherited: Sequence[int],
        accelerator: str,
        cgroup: kernel.Cgroup | None = None,
        *,
        private: bool = False,
    ) -> None:
        """`inherited` are the descriptors that `words` name. It is a member of the cgroup from its first moment.

        `private`: it maps a file that others map too, and gives up none of it but its own copies.
        """
        environment = owned_environment()
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            executable, opened = _executable(program, theirs)
            self._log = ours.enter_context(os.fdopen(_log(), "r+b"))
            self._program = Path(executable).name

            def spawn() -> int:
                if private:
                    punch_no_holes()
                self.spawned_s = time.monotonic()
                self.clock_s = time.time() - self.spawned_s
                self.process = subprocess.Popen(
                    [*_as_nobody(accelerator), executable, *words],
                    pass_fds=[*opened, *inherited],
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    cwd="/",
                    env=environment,
                    start_new_session=True,
                )
                ours.callback(self._kill)
                weakref.finalize(self, _forgotten, self.process, os.getpid()).atexit = False
                return self.process.pid

            self._cgroup = cgroup
            born_in(cgroup, spawn)
            theirs.close()
            ours.pop_all()

    @property
    def pid(self) -> int:
        return self.process.pid

    def ended(self, wait_s: float = 0.0) -> int | None:
        """Exit status, negative when a signal ended it; None while it runs, and still runs after `wait_s`."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(wait_s)
        return None

    def failure(self, status: int) -> str:
        """Why it ended with this status, and the first thing that it had to say; the rest is a consequence."""
        complaint = next((line for line in self.log().splitlines() if not _TRACED.match(line)), "")
        said = complaint.removeprefix(f"{self._program}: ").strip()
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"failed with status {status}"
        why = said[:200] or memory_reason(self._cgroup)
        return f"QEMU {how} ({why})" if why else f"QEMU {how}"

    def log(self) -> str:
        """What QEMU wrote: complaints, and what it was told to trace."""
        return os.pread(self._log.fileno(), LOG_BYTES, 0).rstrip(b"\0").decode(errors="replace")

    def close(self) -> None:
        """Killed and reaped."""
        self._kill()
        self._log.close()

    def _kill(self) -> None:
        self.process.kill()
        self.process.wait()


def _forgotten(process: subprocess.Popen[bytes], starter: int) -> None:
    """Whoever was to own it was interrupted before; a forked child is not the one to end it."""
    if os.getpid() == starter:
        process.kill()
        process.wait()


def _log() -> int:
    """A memfd for what QEMU has to say: full after 64 KiB, however often a guest makes it complain."""
    handle = os.memfd_create("qemu-log", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.ftruncate(handle, LOG_BYTES)
    fcntl.fcntl(handle, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    return handle


def owned_environment() -> dict[str, str]:
    """The owner's mark and little else: what the reader's environment holds is none of an emulator's business."""
    return {key: value for key, value in owner().environment().items() if key in (MARK, "PATH")}


def pair(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[socket.socket, socket.socket]:
    """A connected pair: nothing to find, nothing to clean up, and nobody else can connect."""
    near, far = socket.socketpair()
    return ours.enter_context(near), theirs.enter_context(far)


def _executable(program: Path, stack: contextlib.ExitStack) -> tuple[str, list[int]]:
    """How to name the program, and the descriptors for that: the cache may be closed to the user that QEMU runs as."""
    if not program.is_relative_to(guests_folder()):
        return str(program), []
    number = stack.enter_context(program.open("rb")).fileno()
    return f"/proc/self/fd/{number}", [number]


def _as_nobody(accelerator: str) -> tuple[str, ...]:
    """The program that becomes QEMU with fewer rights, and its words (setpriv(1), in every Debian and Ubuntu).

    Root hands QEMU to nobody; under KVM with the group of /dev/kvm, or keeps it where only root may open that.
    Popen can change the user too, but then copies this process's page tables first: 3 ms for a small one.
    """
    if os.getuid() != 0:
        return ()
    groups = "--clear-groups"
    if accelerator == "kvm" and not (seen := KVM.stat()).st_mode & stat.S_IWOTH:
        if not seen.st_mode & stat.S_IWGRP:
            return ()
        groups = f"--groups={seen.st_gid}"
    return ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", groups, "--")
