"""The same harmless questions in real places: what passes, what is refused and why, and that nothing is changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandboxes import bare, containers, guests, kernel
from sandboxes.containers import ContainerSandbox
from sandboxes.errors import SandboxGone, StartFailed
from sandboxes.guests import GuestSandbox
from sandboxes.lifecycle import owner
from sandboxes.model import Place, ProbeMatrix
from sandboxes.probes import PROBES, probe
from sandboxes.sandbox import host
from tests.machine import Photograph, left_of

pytestmark = pytest.mark.usefixtures("engine_ready", "guest_ready")

SETTINGS = ("kernel/hostname", "kernel/core_pattern", "vm/swappiness", "net/ipv4/ip_forward", "kernel/sysrq")
MODULES = Path("/proc/modules")
YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
REFUSED_BY_YAMA = {"trace-own-child"} if YAMA.exists() and YAMA.read_text().strip() != "0" else set()
"""It lets only an ancestor trace (Documentation/admin-guide/LSM/Yama.rst), and in a container the same."""
LOADED_BY_ASKING = {"af_packet", "fuse"}
INSIDE = "hostname; cat /proc/self/mountinfo; ls -a / /tmp /run; ps -o comm | grep -E 'sleep|syscall'; ulimit -a"


@dataclass(frozen=True)
class State:
    """What the probes could have changed on a machine, if they were not harmless.

    `shared` is what a neighbour may change meanwhile; it counts only when nobody else is `about`.
    """

    facts: dict[str, str]
    shared: dict[str, str]
    about: bool
    clock_ahead_s: float

    @classmethod
    def of_host(cls) -> State:
        files = [Path("/proc/sys") / name for name in SETTINGS]
        files += [Path(name) for name in ("/proc/swaps", "/proc/self/limits")]
        facts = {str(path): path.read_text() for path in files if path.exists()}
        facts["root"] = " ".join(sorted(os.listdir("/")))
        facts["in the owner's folder"] = " ".join(sorted(path.name for path in owner().folder.glob("bait-*")))
        shared = {
            "mounts": Path("/proc/self/mountinfo").read_text(),
            "modules": " ".join(sorted({line.split()[0] for line in _text(MODULES).splitlines()} - LOADED_BY_ASKING)),
            "left in /tmp": " ".join(sorted(path.name for path in Path("/tmp").glob("asked-*"))),
            "links": " ".join(sorted(os.listdir("/sys/class/net"))),
        }
        return cls(facts, shared, Photograph.take().about, time.time() - time.monotonic())


@dataclass(frozen=True)
class Asked:
    """One round of all probes, with the state of everything before and after."""

    matrix: ProbeMatrix
    before: State
    after: State
    inside_before: dict[str, str]
    inside_after: dict[str, str]


@pytest.fixture(scope="module")
def boxes(engine_ready: None) -> Iterator[dict[str, ContainerSandbox]]:
    with ExitStack() as stack:
        yield {
            profile: stack.enter_context(containers.container(profile=profile, name=profile))
            for profile in ("unfiltered", "open", "hardened")
        }


@pytest.fixture(scope="module")
def vm(guest_ready: None) -> Iterator[GuestSandbox]:
    with guests.guest(name="vm") as made:
        yield made


@pytest.fixture(scope="module")
def asked(boxes: dict[str, ContainerSandbox], vm: GuestSandbox) -> Asked:
    sandboxes: list[Place] = [*boxes.values(), vm]
    inside_before = {place.name: place.run(INSIDE).stdout for place in sandboxes}
    before = State.of_host()
    matrix = probe(host(), *sandboxes)
    after = State.of_host()
    inside_after = {place.name: place.run(INSIDE).stdout for place in sandboxes}
    return Asked(matrix, before, after, inside_before, inside_after)


@pytest.fixture(scope="module")
def matrix(asked: Asked) -> ProbeMatrix:
    return asked.matrix


def denied(matrix: ProbeMatrix, place: str, reason: str) -> set[str]:
    return {cell.probe for cell in matrix.column(place) if cell.denied_by == reason}


def allowed(matrix: ProbeMatrix, place: str) -> set[str]:
    return {cell.probe for cell in matrix.column(place) if cell.allowed}


def reaching(matrix: ProbeMatrix, place: str) -> set[str]:
    return {cell.probe for cell in matrix.column(place) if cell.verdict == "reaches the host"}


def test_the_host_is_as_it_was(asked: Asked) -> None:
    assert asked.after.facts == asked.before.facts
    assert asked.before.about or asked.after.about or asked.after.shared == asked.before.shared
    assert abs(asked.after.clock_ahead_s - asked.before.clock_ahead_s) < 0.1


def test_every_place_is_as_it_was(asked: Asked) -> None:
    for place, lines in asked.inside_before.items():
        assert asked.inside_after[place].splitlines() == lines.splitlines(), place


def test_every_probe_is_answered_everywhere_and_every_refusal_has_a_reason(matrix: ProbeMatrix) -> None:
    assert len(matrix.probes) == len(PROBES) >= 30
    for place in ("host", "unfiltered", "open", "hardened", "vm"):
        column = matrix.column(place)
        assert len(column) == len(PROBES)
        assert not [cell for cell in column if cell.allowed is None], place
        assert all(cell.evidence and (cell.allowed or cell.denied_by) for cell in column)
        assert place == "host" or denied(matrix, place, "policy") <= REFUSED_BY_YAMA


def test_most_rows_differ(matrix: ProbeMatrix) -> None:
    assert len(matrix.differing) > len(PROBES) // 2


def test_only_the_filter_is_between_the_open_and_the_unfiltered_container(matrix: ProbeMatrix) -> None:
    filtered = denied(matrix, "open", "seccomp")
    assert {"new-user-namespace", "use-keyring", "fix-addresses"} <= filtered
    assert filtered <= allowed(matrix, "unfiltered") | REFUSED_BY_YAMA
    assert not denied(matrix, "unfiltered", "seccomp")


def test_a_capability_that_is_missing_is_missed_without_a_filter_too(matrix: ProbeMatrix) -> None:
    lacking = denied(matrix, "open", "capability")
    assert {"mount", "set-clock", "set-hostname", "reboot", "set-network", "read-log", "swap"} <= lacking
    for id_ in lacking:
        without = matrix.answer(id_, "unfiltered")
        assert without.denied_by == "capability" or "not built in" in (without.denied_by, *without.also), without


def test_an_open_container_may_do_what_its_capabilities_say(matrix: ProbeMatrix) -> None:
    assert {"change-root", "make-device", "give-file-away", "raw-socket", "change-user"} <= allowed(matrix, "open")
    assert matrix.answer("raw-socket", "open").contained_by == "net namespace"
    assert matrix.answer("write-root", "open").contained_by == "mnt namespace"


def test_a_device_file_that_was_made_inside_opens_nothing(matrix: ProbeMatrix) -> None:
    assert matrix.answer("make-device", "open").allowed
    assert {"open-disk", "open-made-device"} <= denied(matrix, "open", "device cgroup")


def test_a_hardened_container_is_refused_for_its_capabilities_options_and_privileges(matrix: ProbeMatrix) -> None:
    assert {"change-root", "make-device", "give-file-away", "raw-socket", "change-user"} <= denied(
        matrix, "hardened", "capability"
    )
    assert matrix.answer("execute-from-tmp", "hardened").denied_by == "mount option"
    assert matrix.answer("gain-privileges", "hardened").denied_by == "no new privileges"
    assert "read-only mount" in matrix.answer("write-root", "hardened").also
    assert allowed(matrix, "hardened") < allowed(matrix, "open") < allowed(matrix, "unfiltered")


@pytest.mark.parametrize("place", ["open", "hardened"])
def test_what_proc_would_tell_about_the_host_is_covered_or_read_only(matrix: ProbeMatrix, place: str) -> None:
    assert {"open-key-list", "open-timers"} <= denied(matrix, place, "masked path")
    for id_ in ("write-setting", "write-core-pattern", "write-sys"):
        answer = matrix.answer(id_, place)
        assert "read-only mount" in (answer.denied_by, *answer.also)


@pytest.mark.parametrize("place", ["unfiltered", "open", "hardened"])
def test_a_container_sees_no_process_file_or_socket_of_the_host_but_its_kernel_and_memory(
    matrix: ProbeMatrix, place: str
) -> None:
    hidden = {"see-host-process", "read-host-memory", "read-host-file", "see-host-socket", "reach-host-loopback"}
    assert hidden <= denied(matrix, place, "namespace")
    assert {"same-boot", "see-host-memory"} <= reaching(matrix, place)
    assert reaching(matrix, "hardened") == {"same-boot", "see-host-memory"}


def test_a_container_and_a_guest_without_a_network_have_no_way_out(matrix: ProbeMatrix) -> None:
    for place in ("open", "hardened", "vm"):
        assert matrix.answer("reach-metadata", place).denied_by == "no route"


def test_a_guest_may_do_nearly_everything_to_a_kernel_of_its_own(matrix: ProbeMatrix) -> None:
    assert {"set-clock", "load-module", "reboot", "mount", "open-kcore", "write-sysrq"} <= allowed(matrix, "vm")
    assert matrix.answer("set-clock", "vm").contained_by == "own kernel"
    reasons = {cell.denied_by for cell in matrix.column("vm") if cell.allowed is False}
    assert reasons <= {"own kernel", "missing device", "missing file", "no route"}, "nothing is forbidden, only absent"
    assert len(allowed(matrix, "vm")) > len(allowed(matrix, "open")) * 2


def test_a_guest_sees_and_reaches_nothing_of_the_host(matrix: ProbeMatrix) -> None:
    assert reaching(matrix, "vm") == set()
    assert {"same-boot", "see-host-memory", "see-host-process", "read-host-file", "reach-host-loopback"} <= denied(
        matrix, "vm", "own kernel"
    )


def test_the_host_sees_its_own_things_and_stops_itself_only_by_what_it_lacks(matrix: ProbeMatrix) -> None:
    assert {"see-host-process", "read-host-memory", "read-host-file", "reach-host-loopback"} <= reaching(matrix, "host")
    reasons = {cell.denied_by for cell in matrix.column("host") if cell.allowed is False}
    assert not reasons & {"namespace", "own kernel", "seccomp", "device cgroup", "masked path", "user namespace"}


def test_who_asked_is_what_proc_says(matrix: ProbeMatrix, boxes: dict[str, ContainerSandbox]) -> None:
    who = {one.place: one for one in matrix.standings}
    for name, box in boxes.items():
        facts = box.facts()
        rights = who[name].privileges
        assert rights.capabilities.effective == facts.capabilities
        assert (rights.seccomp, rights.no_new_privileges) == (facts.seccomp, facts.no_new_privileges)
    assert who["host"].boot_id == who["open"].boot_id == kernel.boot_id() != who["vm"].boot_id


SHARED = ["mnt", "pid", "net", "uts", "capabilities", "seccomp"]


@pytest.fixture(scope="module")
def by_hand() -> Iterator[ProbeMatrix]:
    """Containers made by hand: finished; with all powers of a user namespace; without pid and net namespaces; with
    all powers of a user namespace, but hardly any other.
    """
    with ExitStack() as stack:
        yield probe(
            stack.enter_context(bare.container(name="bare")),
            stack.enter_context(bare.container(name="userns", user=True, without=["capabilities", "seccomp"])),
            stack.enter_context(bare.container(name="peeled", without=["pid", "net"])),
            stack.enter_context(bare.container(name="sharing", user=True, without=SHARED)),
        )


def test_a_container_by_hand_answers_everything_and_lets_nothing_out_but_what_it_does_not_cover(
    by_hand: ProbeMatrix,
) -> None:
    for place in ("bare", "userns", "peeled", "sharing"):
        assert not [cell for cell in by_hand.column(place) if cell.allowed is None or cell.denied_by == "policy"]
    assert {"same-boot", "see-host-memory"} <= reaching(by_hand, "bare")
    assert not {cell.probe for cell in by_hand.column("bare") if cell.probe.startswith("write-") and cell.allowed}
    assert {"mount", "set-hostname", "change-user", "raw-socket"} <= denied(by_hand, "bare", "capability")
    assert {"new-user-namespace", "use-keyring", "trace-own-child"} <= denied(by_hand, "bare", "seccomp")


def test_all_capabilities_of_a_user_namespace_reach_only_what_belongs_to_it(by_hand: ProbeMatrix) -> None:
    assert len(next(one for one in by_hand.standings if one.place == "userns").privileges.capabilities.effective) > 35
    assert {"set-clock", "swap", "read-log", "make-device", "raise-priority", "write-core-pattern"} <= denied(
        by_hand, "userns", "user namespace"
    )
    contained = {"mount": "mnt namespace", "set-hostname": "uts namespace", "set-network": "net namespace"}
    for id_, by in contained.items():
        assert by_hand.answer(id_, "userns").contained_by == by


def test_all_capabilities_of_a_user_namespace_count_for_nothing_in_the_host_s_other_namespaces(
    by_hand: ProbeMatrix,
) -> None:
    assert {
        *("mount", "unmount", "swap-root", "reboot", "set-hostname"),
        *("raw-socket", "packet-socket", "set-network", "low-port", "signal-host-process"),
    } <= denied(by_hand, "sharing", "user namespace")


def test_without_a_pid_and_a_net_namespace_the_host_is_seen_but_not_touched(by_hand: ProbeMatrix) -> None:
    assert {"see-host-process", "see-host-socket", "reach-host-loopback"} <= reaching(by_hand, "peeled")
    strangers = {"signal-host-process", "read-host-environment", "read-host-memory", "trace-host-process"}
    assert strangers <= denied(by_hand, "peeled", "capability")


def test_the_program_is_brought_along_where_the_image_has_none_and_taken_away_again() -> None:
    with containers.container(profile="open", name="bare-image") as box:
        box.run("rm /bin/syscall")
        answers = probe(box, only=["mount", "raw-socket", "see-host-process"])
        assert [cell.verdict for cell in answers.column("bare-image")] == [
            "denied: namespace",
            "denied: capability",
            "allowed: net namespace",
        ]
        assert box.run("ls /tmp; command -v syscall").stdout == ""


def test_a_place_that_is_gone_is_an_error_and_no_bait_is_left() -> None:
    box = containers.container(name="closed")
    box.close()
    with pytest.raises(SandboxGone):
        probe(host(), box)
    assert not list(owner().folder.glob("bait-*"))
    assert not [line for line in left_of(owner().id) if "bait-" in line]


def test_a_place_without_proc_is_an_error_that_says_so() -> None:
    class Mute:
        kind = name = "mute"

        def __getattr__(self, attribute: str) -> object:
            return getattr(host(), attribute)

        def run(self, command: object, *, timeout_s: float = 30.0) -> object:
            return host().run("echo nothing; echo 'no shell here' >&2")

    with pytest.raises(StartFailed, match="no shell here"):
        probe(Mute())  # type: ignore[arg-type]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
