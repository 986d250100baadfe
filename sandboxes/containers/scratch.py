"""A folder on a block device, for containers whose input and output are limited: such limits bind on block devices
only, and neither a root file system kept in memory nor tmpfs is on one.

For a private engine it is a small file system of its own on a loop device (loop(4)), mounted where the engine alone
sees it: its size is bounded, and when the engine ends the kernel takes mount, device and file away. For the reader's
own engine it is a folder of this machine's disk, in one that only its owner can enter, so that the container's user may
write to it whoever that is on this machine.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandboxes import kernel
from sandboxes.busybox import READER
from sandboxes.containers.client import Engine
from sandboxes.containers.passage import inside_pid
from sandboxes.errors import LimitIgnored, StartFailed
from sandboxes.kernel import Cgroup
from sandboxes.lifecycle import cache_folder
from sandboxes.model import IoLimit, Limits

PLACE = "/scratch"
"""Where it lies in the container."""

SIZE_BYTES = 64 << 20
COMMAND_S = 20.0
_SEARCH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"


class Scratch:
    """`source` is the folder as the engine sees it, `device` the "MAJOR:MINOR" and `node` the file of its disk.

    Raises LimitIgnored when no block device can be had, StartFailed when the kernel refuses one.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        name = f"scratch-{secrets.token_hex(4)}"
        self._entering: list[str] = []
        if engine.pid is None or engine.folder is None:
            self._outer = cache_folder() / f"{name}-{engine.owner.id}"
            self.source = self._outer / "scratch"
            seen = self.source
        else:
            self._outer = self.source = engine.folder / name
            inside = inside_pid(engine.pid)
            self._entering = [_program("nsenter"), "--target", str(inside), "--mount", "--"]
            seen = Path(f"/proc/{inside}/root{self.source}")
        try:
            self._make()
            self.device, self.node = _disk(os.stat(seen).st_dev)
        except BaseException:
            self.close()
            raise

    def host_config(self, limits: Limits) -> dict[str, Any]:
        """The engine's names for the folder and its limits (Docker Engine API, HostConfig)."""
        found: dict[str, Any] = {"Binds": [f"{self.source}:{PLACE}"]}
        if limits.read_bytes_per_s is not None:
            found["BlkioDeviceReadBps"] = [{"Path": self.node, "Rate": limits.read_bytes_per_s}]
        if limits.write_bytes_per_s is not None:
            found["BlkioDeviceWriteBps"] = [{"Path": self.node, "Rate": limits.write_bytes_per_s}]
        return found

    def io_limit(self, limits: Limits) -> IoLimit:
        """The same as the kernel's files take it."""
        return IoLimit(self.device, limits.read_bytes_per_s, limits.write_bytes_per_s)

    def prove(self, asked: Limits, cgroup: Cgroup) -> None:
        """The kernel has the limits. Raises LimitIgnored when the engine took them and did not set them."""
        wanted = (asked.read_bytes_per_s, asked.write_bytes_per_s)
        written = [one.limit for one in kernel.details(cgroup).io or () if one.device == self.device]
        if wanted not in [(limit.read_bytes_per_s, limit.write_bytes_per_s) for limit in written]:
            raise LimitIgnored(
                "The engine took the limit on input and output and did not set it.",
                seen=f"asked for {wanted} on {self.node}, the kernel has {written or 'none'}",
                remedy="io=None",
            )

    def close(self) -> None:
        """It is gone, with all that was written to it. Safe to repeat."""
        if self._entering:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                _call([*self._entering, "umount", "--lazy", str(self.source)])
        shutil.rmtree(self._outer, ignore_errors=True)
        self._engine.owner.forget_command(self._outer.name)

    def _make(self) -> None:
        if not self._entering:
            self._engine.owner.leave_command(self._outer.name, ["rm", "-rf", "--", str(self._outer)])
            self._outer.mkdir(mode=0o700)
            self.source.mkdir()
            self.source.chmod(0o777)  # mkdir's mode is cut by the umask
            return
        self.source.mkdir(mode=0o700)
        file = self.source.with_suffix(".img")
        try:
            with open(file, "wb") as image:
                image.truncate(SIZE_BYTES)
            owner = f"root_owner={READER}:{READER}"
            _say([_program("mkfs.ext4"), "-q", "-F", "-m", "0", "-O", "^has_journal", "-E", owner, str(file)])
            _say([*self._entering, "mount", "-o", "loop,nosuid,nodev", str(file), str(self.source)])
        finally:
            file.unlink(missing_ok=True)  # the device holds it open


def _disk(number: int) -> tuple[str, str]:
    """The block device to limit: a whole disk, as no limit can be put on a partition of it (blk_throttle)."""
    folder = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve()
    if (folder / "partition").is_file():
        folder = folder.parent
    node = Path("/dev", folder.name)
    if not (folder / "dev").is_file() or not node.is_block_device():
        raise LimitIgnored(
            "A limit on input and output would bind nowhere: there is no block device to put it on.",
            seen=f"device {os.major(number)}:{os.minor(number)} is none of /sys/dev/block",
            remedy="io=None; or keep the cache folder on a disk (XDG_CACHE_HOME)",
        )
    return (folder / "dev").read_text().strip(), str(node)


def _program(name: str) -> str:
    found = shutil.which(name, path=_SEARCH)
    if found is None:
        raise LimitIgnored(
            "A limit on input and output needs a disk of its own, which cannot be made here.",
            seen=f"{name} is not installed",
            remedy="apt-get install e2fsprogs util-linux; or io=None",
        )
    return found


def _call(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=COMMAND_S, check=False, cwd="/")


def _say(argv: Sequence[str]) -> None:
    done = _call(argv)
    if done.returncode != 0:
        raise StartFailed(
            "The disk for a limit on input and output could not be made.",
            seen=done.stderr.strip()[-300:] or f"{argv[0]}: status {done.returncode}",
            remedy="io=None; loop devices (/dev/loop-control) may be missing on this machine",
        )
