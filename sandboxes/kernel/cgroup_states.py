"""Freezing and killing a whole cgroup: cgroup-v1/freezer-subsystem.rst, cgroup-v2.rst (cgroup.freeze, cgroup.kill)."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from sandboxes.errors import RunTimeout, SandboxGone, Unavailable
from sandboxes.kernel.cgroup_files import flat_keyed, write
from sandboxes.kernel.cgroups import Cgroup


def is_frozen(cgroup: Cgroup) -> bool:
    """Every process in it stands still, by either version's freezer, set here or in a cgroup above."""
    freezer = cgroup.v1.get("freezer")
    with contextlib.suppress(OSError):
        if freezer and (freezer / "freezer.state").read_text().strip() == "FROZEN":
            return True
    with contextlib.suppress(OSError):
        if cgroup.own_v2:
            return flat_keyed((cgroup.own_v2 / "cgroup.events").read_text()).get("frozen") == 1
    return False


def freeze_cgroup(cgroup: Cgroup, deadline_s: float = 2.0) -> None:
    """No process in it runs any more, and none of them was told. Raises RunTimeout, and then it is thawed again.

    Raises BadRequest for a cgroup with others in it, Unavailable, SandboxGone.
    """
    cgroup.check_own()
    try:
        _freeze(cgroup, deadline_s)
    except RunTimeout:
        _set_frozen(cgroup, False)
        raise


def thaw_cgroup(cgroup: Cgroup, deadline_s: float = 2.0) -> None:
    """Its processes run on. Raises RunTimeout (a cgroup above may be frozen), BadRequest, Unavailable, SandboxGone."""
    cgroup.check_own()
    _set_frozen(cgroup, False)
    _wait(cgroup, False, deadline_s)


def kill_cgroup(cgroup: Cgroup, deadline_s: float = 5.0) -> None:
    """No process is left in it or below it, frozen ones included, however fast they start others.

    cgroup.kill (Linux 5.14) is used where the version 2 tree has this cgroup; elsewhere it is frozen, so that nobody
    can fork, each member gets SIGKILL, and it is thawed: a process dies of that before it runs again.
    Raises RunTimeout, BadRequest for a cgroup with others in it, Unavailable.
    """
    cgroup.check_own()
    until = time.monotonic() + deadline_s
    while left := _members(cgroup):
        if time.monotonic() > until:
            raise RunTimeout(
                f"A cgroup could not be emptied within {deadline_s:g} s.",
                seen=f"still in {cgroup.folder}: {left[:10]} (0: a process that this pid namespace does not see)",
                remedy="a process in state D waits for a device and cannot be killed until then",
            )
        _kill_members(cgroup)
        time.sleep(0.002)


def _kill_members(cgroup: Cgroup) -> None:
    whole = cgroup.v2 / "cgroup.kill" if cgroup.v2 else None
    with contextlib.suppress(SandboxGone):
        if whole and whole.exists():
            write(whole, "1", field="cgroup.kill")
        else:
            with contextlib.suppress(RunTimeout, Unavailable):
                _freeze(cgroup, deadline_s=0.2)
        _signal_members(cgroup)
        with contextlib.suppress(Unavailable):
            _set_frozen(cgroup, False)


def _signal_members(cgroup: Cgroup) -> None:
    """A pidfd (pidfd_open(2)) is taken before looking again, so that no reused number is hit."""
    handles: dict[int, int] = {}
    try:
        for pid in _members(cgroup):
            with contextlib.suppress(OSError, ValueError):
                handles[pid] = os.pidfd_open(pid)
        for pid in set(_members(cgroup)) & handles.keys():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handles[pid], signal.SIGKILL)
    finally:
        for handle in handles.values():
            os.close(handle)


def _members(cgroup: Cgroup) -> list[int]:
    """Those in it and below it, 0 standing for one that this pid namespace does not see; none once it is removed."""
    found: list[int] = []
    for folder, _, _ in os.walk(cgroup.folder):
        with contextlib.suppress(OSError):
            found += [int(word) for word in Path(folder, "cgroup.procs").read_text().split()]
    return found


def _freeze(cgroup: Cgroup, deadline_s: float) -> None:
    _set_frozen(cgroup, True)
    _wait(cgroup, True, deadline_s)


def _set_frozen(cgroup: Cgroup, frozen: bool) -> None:
    if "freezer" in cgroup.v1:
        write(cgroup.v1["freezer"] / "freezer.state", "FROZEN" if frozen else "THAWED", field="freezer.state")
    else:
        write(cgroup.folder_of() / "cgroup.freeze", str(int(frozen)), field="cgroup.freeze")


def _wait(cgroup: Cgroup, frozen: bool, deadline_s: float) -> None:
    until = time.monotonic() + deadline_s
    while is_frozen(cgroup) != frozen:
        if time.monotonic() > until:
            raise RunTimeout(
                f"A cgroup was not {'frozen' if frozen else 'thawed'} within {deadline_s:g} s.",
                seen=f"{cgroup.folder}: a process in it waits for a device, or a cgroup above it is frozen",
                remedy="try again later",
            )
        time.sleep(0.001)
