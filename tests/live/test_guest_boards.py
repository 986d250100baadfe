"""Other boards and other kinds of processor: the same shell program, on computers that differ in what they are."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from sandboxes.guests import GuestSandbox, guest
from sandboxes.guests.architectures import ARM64, S390X, X86_64
from sandboxes.model import Surface
from sandboxes.sandbox import twin
from sandboxes.syscall import syscall_program

pytestmark = pytest.mark.usefixtures("guest_ready")

FOREIGN = (ARM64, S390X)
QUESTION = ("getpid",)
ORDER = r"printf '\1\0' | od -An -tu2"


@pytest.fixture(scope="module", params=FOREIGN, ids=lambda kind: kind.name)
def foreign(request: pytest.FixtureRequest, guest_ready: None) -> Iterator[GuestSandbox]:
    with guest(architecture=request.param.name, memory="128M") as running:
        yield running


@pytest.fixture(scope="module")
def usual(guest_ready: None) -> Iterator[GuestSandbox]:
    with guest() as running:
        yield running


def kind_of(vm: GuestSandbox) -> str:
    return vm.run("uname -m").stdout.strip()


def test_a_foreign_guest_is_another_kind_of_computer(foreign: GuestSandbox) -> None:
    facts = foreign.facts()
    kind = next(kind for kind in FOREIGN if kind.machine == facts.inside_machine)
    assert facts.inside_byte_order == {ARM64: "little-endian", S390X: "big-endian"}[kind]
    assert facts.cpu_model == kind.cpu_model
    assert kind.program.startswith(facts.process.name)
    assert facts.accelerator.emulated
    assert facts.seccomp == "filter"
    assert facts.inside_cpu
    assert foreign.surface().board.startswith({ARM64: "virt", S390X: "s390-ccw-virtio"}[kind])


def test_one_shell_program_runs_on_three_kinds_of_processor(foreign: GuestSandbox, usual: GuestSandbox) -> None:
    seen = twin(f"echo $((6 * 7)); uname -m; {ORDER}", usual, foreign)
    here, there = (result.stdout.split() for result in seen.results)
    assert here[0] == there[0] == "42"
    assert here[1:] == [X86_64.machine, "1"]
    assert there[1:] in ([ARM64.machine, "1"], [S390X.machine, "256"])


def test_a_program_for_this_machine_does_not_run_on_another_kind(foreign: GuestSandbox, usual: GuestSandbox) -> None:
    assert usual.run(["syscall", *QUESTION]).exit_code == 0
    program = base64.b64encode(syscall_program()).decode()
    foreign.run(f"echo {program} | base64 -d > /tmp/syscall; chmod +x /tmp/syscall")
    refused = foreign.run(["/tmp/syscall", *QUESTION])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "syntax error" in refused.stderr  # ENOEXEC: execvp(3) then has a shell read the program as text


def test_status_streams_and_jobs_are_the_same_there(foreign: GuestSandbox) -> None:
    seen = foreign.run("echo out; echo err >&2; exit 3")
    assert (seen.exit_code, seen.stdout, seen.stderr) == (3, "out\n", "err\n")
    job = foreign.start("sleep 1000")
    assert job.running()
    job.stop()
    assert not job.running()
    assert foreign.run(["echo", "x" * 20_000]).stdout == "x" * 20_000 + "\n"


@pytest.fixture(scope="module")
def surfaces(guest_ready: None) -> dict[str, Surface]:
    """What each board of this machine's own kind offers to a guest that has booted on it."""
    seen = {}
    for board in ("microvm", "q35", "pc"):
        with guest(board=board, cold=True) as booted:
            assert kind_of(booted) == X86_64.machine
            assert booted.facts().started == "cold"
            seen[board] = booted.surface()
    return seen


def test_microvm_offers_less_to_attack_than_pc_and_q35(surfaces: dict[str, Surface]) -> None:
    small, modern, old = (surfaces[board] for board in ("microvm", "q35", "pc"))
    assert (small.board, modern.board[:6], old.board[:9]) == ("microvm", "pc-q35", "pc-i440fx")
    assert len(small.devices) < len(modern.devices) < len(old.devices)
    assert small.ports < modern.ports < old.ports
    assert len(small.port_ranges) < len(modern.port_ranges)
    assert small.qtree_lines < modern.qtree_lines < old.qtree_lines
    assert (small.pci, bool(modern.pci), bool(old.pci)) == ((), True, True)
    assert small.device_kinds == modern.device_kinds == old.device_kinds


@pytest.mark.parametrize("board", ["microvm", "pc"])
def test_a_guest_goes_on_from_a_template_of_its_board(board: str, surfaces: dict[str, Surface]) -> None:
    with guest(board=board, say=lambda line: None) as restored:
        assert restored.facts().started == "template"
        assert restored.run("hostname").stdout.strip() == restored.name
        assert restored.surface().devices == surfaces[board].devices
