"""An engine in a guest: what QEMU, the guest's kernel and its processes said, as records."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from sandboxes.containers import ending, guest, sight
from sandboxes.containers.guest import parse_offer
from sandboxes.containers.guest_group import PARENT, GuestGroup, parse_living
from sandboxes.errors import EngineUnavailable, SandboxGone, Unavailable
from sandboxes.guests.engine.sandbox import parse_forwarded
from sandboxes.model import Result

USERNET = """\
Hub 0 (net):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[HOST_FORWARD]  19       127.0.0.1 38105       10.0.2.15  2375     0     0
"""

LIVING = """\
/proc/230/status:State:\tS (sleeping)
/proc/230/status:Pid:\t230
/proc/230/status:PPid:\t219
/proc/230/status:NSpid:\t230\t1
/proc/230/status:NSsid:\t230\t1
/proc/304/status:State:\tS (sleeping)
/proc/304/status:Pid:\t304
/proc/304/status:PPid:\t219
/proc/304/status:NSpid:\t304\t9
/proc/304/status:NSsid:\t304\t9
/proc/305/status:Pid:\t305
== marked
304
"""


class Told:
    """A guest that gives one answer, and remembers what it was asked."""

    name = "engine-1"

    def __init__(self, stdout: str, exit_code: int = 0) -> None:
        self._said, self.asked = Result((), exit_code, stdout, "", 1.0, self.name), []  # type: ignore[var-annotated]

    def run(self, command: list[str], *, timeout_s: float) -> Result:
        self.asked.append(command)
        return self._said


def group(told: Told) -> GuestGroup:
    return GuestGroup({}, None, guest=told, path=f"{PARENT}/abc", init=230)


def test_the_port_is_the_one_that_the_kernel_chose() -> None:
    assert parse_forwarded(USERNET) == 38105


def test_without_a_forwarded_port_there_is_none() -> None:
    assert parse_forwarded(USERNET.replace("HOST_FORWARD", "ESTABLISHED")) is None


def test_a_guest_offers_what_its_kernel_lists_but_no_limit_on_disks_that_it_has_not() -> None:
    offer = parse_offer("cpuset cpu io memory pids\n/sys/fs/cgroup/cpu.pressure\n")
    assert (offer.layout, offer.pressure) == ("v2", True)
    assert offer.controllers == {"cpuset", "cpu", "memory", "pids", "freezer"}


def test_processes_that_ended_meanwhile_are_left_out() -> None:
    statuses, marked = parse_living(LIVING)
    assert (sorted(statuses), marked) == ([230, 304], {304})


def test_a_command_in_a_guest_is_found_by_its_mark_and_by_the_engine_s_number() -> None:
    found = ending.living(group(Told(LIVING)), "MARK=1")
    assert [one.pid for one in ending.of_command(found, 0)] == [304]
    assert [one.pid for one in ending.of_command(found, 304)] == [304]


def test_a_signal_goes_to_the_guest_and_never_to_a_process_of_this_machine() -> None:
    told = Told("")
    ending.members.send_all(group(told), [304], signal.SIGKILL)
    ((*_, folder, number, pid),) = told.asked
    assert (folder, number, pid) == (f"{PARENT}/abc", "9", "304")


def test_files_of_a_cgroup_in_a_guest_are_not_to_be_had_here() -> None:
    one = group(Told(""))
    for look in (one.pids, lambda: one.folder):
        with pytest.raises(Unavailable, match="in a guest"):
            look()


def test_a_cgroup_that_the_guest_does_not_have_any_more_is_gone() -> None:
    with pytest.raises(SandboxGone):
        sight.sample(group(Told("", exit_code=1)))


@pytest.mark.parametrize("kept", [None, "{", json.dumps({"key": "1", "engine": {"colour": "blue"}})])
def test_without_a_note_that_can_be_read_the_tier_is_not_here(
    kept: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if kept:
        guest.cache_folder().mkdir(parents=True, exist_ok=True)
        (guest.cache_folder() / "guest-engine.json").write_text(kept)
    with pytest.raises(EngineUnavailable, match="textbook engine"):
        guest.look()
