"""The whole state of a running guest, memory included, kept in this machine's memory; and a QEMU that goes on from it.

The state is what QEMU sends when it migrates a guest (docs/devel/migration.rst), caught in a memfd. It comes through a
pipe, so that its pages are counted as ours and not as QEMU's, whose cgroup has no room for them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import time
from collections.abc import Callable

from sandboxes.errors import Unavailable
from sandboxes.guests.emulator import Emulator
from sandboxes.guests.monitor import Monitor, MonitorLost
from sandboxes.lifecycle import Closing

PIPE_BYTES = 1 << 20
"""As much as any user may ask for (/proc/sys/fs/pipe-max-size)."""

DEVICES_BYTES = 32 << 20
"""More than the state of all devices and the firmware's memory come to."""

SAVE_S = RESTORE_S = 60.0
CANCEL_S = 10.0
UNDER_WAY = ("setup", "cancelling", "active", "device")
"""Before any other status QEMU refuses to have the guest go on (qmp_cont() in monitor/qmp-cmds.c)."""

POLL_S = 0.003


class Snapshot(Closing):
    """A guest's state at one moment. `paused_ms` is how long the guest stood still for it. It goes with its guest.

    It holds `size_bytes` of this machine's memory until close().
    """

    def __init__(self, guest: str, state: int, paused_ms: float) -> None:
        self.guest, self.paused_ms = guest, paused_ms
        self.size_bytes = os.fstat(state).st_size
        self._state: int | None = state

    def __repr__(self) -> str:
        size = "closed" if self._state is None else f"{self.size_bytes >> 20} MiB"
        return f"<snapshot of {self.guest}: {size}>"

    @property
    def state(self) -> int | None:
        """Descriptor of the file; None once it is closed."""
        return self._state

    def close(self) -> None:
        """Its memory is free. Closing again does nothing."""
        state, self._state = self._state, None
        if state is not None:
            os.close(state)


def saved(monitor: Monitor, most_bytes: int) -> int:
    """Descriptor of a memfd with the state of a guest that stands still, and goes on standing still.

    Raises MonitorLost, Unavailable; then nothing is kept.
    """
    state = os.memfd_create("guest-state")
    try:
        read, write = os.pipe()
        with open(read, "rb", buffering=0) as source, open(write, "wb", buffering=0) as sink:
            fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            monitor.begin_save(sink.fileno())
            sink.close()
            _pour(source.fileno(), state, most_bytes)
        _settle(lambda: monitor.execute("query-migrate")["status"] not in UNDER_WAY, SAVE_S)
        if (status := monitor.execute("query-migrate")["status"]) != "completed":
            raise MonitorLost(f"QEMU could not save the guest's state: {status}")
        return state
    except BaseException:
        os.close(state)
        with contextlib.suppress(MonitorLost):
            monitor.execute("migrate_cancel")
            _settle(lambda: monitor.execute("query-migrate").get("status") not in UNDER_WAY, CANCEL_S)
        raise


def restored(old: Emulator, state: int) -> tuple[Emulator, Monitor, float]:
    """A new QEMU of the same machine that has this state, its processors not running yet; and the ms that it took.

    Raises Unavailable, MonitorLost; then it is gone.
    """
    begun = time.monotonic()
    emulator = old.again()
    try:
        monitor = Monitor(emulator.monitor_end)
        try:
            with open(f"/proc/self/fd/{state}", "rb", buffering=0) as from_its_start:
                monitor.begin_restore(from_its_start.fileno())
            _settle(lambda: monitor.execute("query-status")["status"] != "inmigrate", RESTORE_S)
        except BaseException:
            monitor.close()
            raise
        return emulator, monitor, (time.monotonic() - begun) * 1000
    except MonitorLost as lost:
        why = emulator.ended(wait_s=2.0) or str(lost)
        emulator.close()
        raise Unavailable("The snapshot could not be restored.", seen=why, remedy="take another") from lost
    except BaseException:
        emulator.close()
        raise


def _pour(source: int, state: int, most_bytes: int) -> None:
    """All that comes out of a pipe is in the file. Raises MonitorLost, Unavailable when it is more than that."""
    until, left = time.monotonic() + SAVE_S, most_bytes
    arriving = select.poll()
    arriving.register(source, select.POLLIN)
    while left > 0:
        if not arriving.poll(max(0.0, until - time.monotonic()) * 1000):
            raise MonitorLost(f"the guest's state was not saved within {SAVE_S:g} s")
        count = os.splice(source, state, PIPE_BYTES)
        if not count:
            return
        left -= count
    raise Unavailable(
        "The guest's state was not saved.",
        seen=f"it is more than {most_bytes >> 20} MiB",
        remedy="report this: it should be its memory and little more",
    )


def _settle(done: Callable[[], bool], limit_s: float) -> None:
    until = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > until:
            raise MonitorLost(f"QEMU did not get that far within {limit_s:g} s")
        time.sleep(POLL_S)
