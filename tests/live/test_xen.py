"""Xen is a hypervisor on the machine itself: Linux runs in its first domain, and others beside that one."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from sandboxes.errors import BadRequest, RunTimeout, SandboxGone, StartFailed
from sandboxes.guests import Domain, XenSandbox, guest, templates, xen
from tests.machine import Photograph, settled

pytestmark = pytest.mark.usefixtures("xen_ready")

SHELL = "/ # "


@pytest.fixture(scope="module")
def hypervisor(xen_ready: None) -> Iterator[XenSandbox]:
    with xen(name="dom0-here", say=print) as running:
        yield running


@pytest.fixture(scope="module")
def other(hypervisor: XenSandbox) -> Iterator[Domain]:
    with hypervisor.create("other", memory="96M") as domain:
        domain.wait_for(SHELL, timeout_s=120)
        yield domain


def test_linux_runs_on_xen_and_knows(hypervisor: XenSandbox) -> None:
    seen = hypervisor.xen()
    assert (seen.kind, seen.guest_type, seen.uuid) == ("xen", "PV", "00000000-0000-0000-0000-000000000000")
    assert seen.version.startswith("4.")
    assert "xen-3.0-x86_64" in seen.capabilities
    assert 0 < seen.free_memory_bytes < seen.memory_bytes <= 640 << 20
    assert f"dom0_mem={hypervisor.domains()[0].memory_bytes >> 20}M" in seen.command_line
    assert hypervisor.run("hostname").stdout == "dom0-here\n"


def test_dom0_is_a_guest_like_others(hypervisor: XenSandbox) -> None:
    facts = hypervisor.facts()
    assert facts.accelerator.emulated
    assert (facts.firmware, facts.started) == ("SeaBIOS", "template")
    assert facts.inside_kernel == hypervisor.run("uname -r").stdout.strip()
    assert any("xenstored" in process.name for process in facts.inside_processes)
    assert any("xen-" in one.what for one in templates())


def test_dom0_hears_words_with_commas_whole(hypervisor: XenSandbox) -> None:
    told = hypervisor.run("cat /proc/cmdline").stdout.split()
    assert [word for word in told if word.startswith("lsm=") and "," in word]


def test_the_processor_says_who_emulates_it_and_xen_says_that_it_is_xen(hypervisor: XenSandbox) -> None:
    assert hypervisor.cpuid().hypervisor == "TCGTCGTCGTCG"
    assert hypervisor.xen_cpuid().hypervisor == "XenVMMXenVMM"
    major, minor = hypervisor.xen().version.split(".")[:2]
    version = next(leaf for leaf in hypervisor.xen_cpuid().leaves if leaf.number == 0x40000001)
    assert version.eax == int(major) << 16 | int(minor)


def test_in_an_ordinary_guest_there_is_no_xen() -> None:
    with guest(accelerator="tcg") as vm:
        assert vm.cpuid().hypervisor == "TCGTCGTCGTCG"
        assert vm.run(["cpuid", "xen", "0"]).exit_code == 128 + 4


def test_another_domain_has_a_kernel_and_a_name_of_its_own(hypervisor: XenSandbox, other: Domain) -> None:
    facts = other.facts()
    assert (facts.name, facts.id, facts.memory_bytes) == ("other", other.id, 96 << 20)
    assert [one.id for one in hypervisor.domains()] == [0, other.id]
    other.type('echo "$(hostname) on $(uname -r) of $(cat /sys/hypervisor/type)"; cat /sys/hypervisor/uuid\n')
    said = other.wait_for("of xen\n")
    assert "other on " in said
    assert hypervisor.run("uname -r").stdout.strip() not in said


def test_a_paused_domain_gets_no_processor(other: Domain) -> None:
    other.pause()
    before = other.facts()
    other.type("echo woken\n")
    time.sleep(1)
    now = other.facts()
    other.unpause()
    assert "paused" in before.states and "paused" in now.states
    assert "paused" not in other.facts().states
    assert now.cpu_s == before.cpu_s
    other.wait_for("\nwoken\n")


def test_a_domain_that_is_not_there_yet_waits_for_its_first_processor(hypervisor: XenSandbox) -> None:
    free_bytes = hypervisor.xen().free_memory_bytes
    with hypervisor.create("later", memory="96M", paused=True) as later:
        assert (later.facts().states, later.facts().cpu_s, later.console()) == (("paused",), 0.0, "")
        assert hypervisor.xen().free_memory_bytes <= free_bytes - (96 << 20)
        with pytest.raises(RunTimeout, match="did not write"):
            later.wait_for(SHELL, timeout_s=0.2)
    with pytest.raises(SandboxGone, match="not in `xl list`"):
        later.facts()
    with pytest.raises(SandboxGone):
        later.pause()
    later.close()
    assert hypervisor.xen().free_memory_bytes > free_bytes - (32 << 20)


def test_a_domain_that_crashes_leaves_dom0_and_its_neighbour_alone(hypervisor: XenSandbox, other: Domain) -> None:
    with hypervisor.create("doomed", memory="96M") as doomed:
        doomed.wait_for(SHELL, timeout_s=120)
        doomed.type("echo c >/proc/sysrq-trigger\n")
        until = time.monotonic() + 60
        while "crashed" not in doomed.facts().states:
            assert time.monotonic() < until, doomed.facts()
            time.sleep(0.3)
        assert "Kernel panic" in doomed.console()
    other.type("echo alive\n")
    other.wait_for("\nalive\n")
    assert "doomed" not in {one.name for one in hypervisor.domains()}


def test_what_xen_has_no_room_or_no_name_for_is_refused(hypervisor: XenSandbox, other: Domain) -> None:
    with pytest.raises(BadRequest, match="more than Xen has left"):
        hypervisor.create("large", memory="500M")
    with pytest.raises(BadRequest, match="another domain's"):
        hypervisor.create("other")
    with pytest.raises(BadRequest, match="host name"):
        hypervisor.create("Domain-0")
    with pytest.raises(BadRequest, match="text"):
        other.type("")


def test_what_xl_complains_about_is_told_and_leaves_no_domain(hypervisor: XenSandbox) -> None:
    hypervisor.run("mv /boot/domain-kernel /boot/away")
    try:
        with pytest.raises(StartFailed, match="domain-kernel"):
            hypervisor.create("unbootable")
    finally:
        hypervisor.run("mv /boot/away /boot/domain-kernel")
    assert "unbootable" not in {one.name for one in hypervisor.domains()}


def test_nothing_of_a_xen_is_left_on_the_host(hypervisor: XenSandbox) -> None:
    before = Photograph.take()
    with xen() as another:
        domain = another.create("brief", memory="96M", paused=True)
    assert settled(before, 5) == {}
    with pytest.raises(SandboxGone, match="was closed"):
        domain.facts()
    domain.close()
