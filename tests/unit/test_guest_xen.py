"""What Xen's programs print is read; what is asked of them is written; and what can never work is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sandboxes import kernel as host_kernel
from sandboxes.errors import BadRequest, Unavailable
from sandboxes.guests import xen
from sandboxes.guests.machine import Boot, Machine, Wiring, arguments
from sandboxes.guests.system import linux_words
from sandboxes.guests.xen.facts import parse_domains, parse_xen
from sandboxes.guests.xen.image import BOARD, CPU_MODEL
from sandboxes.guests.xen.parts import parse_dependencies
from sandboxes.guests.xen.sandbox import configuration
from sandboxes.model import XenDomain

INFO = """xen
PV
00000000-0000-0000-0000-000000000000
host                   : dom0
release                : 6.1.0-56-amd64
nr_cpus                : 1
cpu_mhz                : 2596.143
hw_caps                : 078bf3fd:80002001:20100800:00000005:00000000:00000000:00000000:00000000
virt_caps              : pv hvm gnttab-v1 gnttab-v2
total_memory           : 639
free_memory            : 309
xen_version            : 4.17.7
xen_caps               : xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 
xen_scheduler          : credit2
xen_changeset          : 
xen_commandline        : console=com1 com1=115200,8n1 dom0_mem=320M,max:320M
cc_compile_date        : Wed Nov  4 16:52:28 UTC 2026
"""

LIST = """Name                                        ID   Mem VCPUs\tState\tTime(s)
Domain-0                                     0   320     1     r-----       7.4
a-name-as-long-as-a-name-is-allowed          3    96     2     --p---       0.0
other                                       12   128     1     ---sc-     121.5
waits                                       13   128     1     ------       0.3
"""


def test_xen_as_it_presents_itself() -> None:
    seen = parse_xen(INFO)
    assert (seen.kind, seen.guest_type, seen.version) == ("xen", "PV", "4.17.7")
    assert (seen.scheduler, seen.cpus) == ("credit2", 1)
    assert (seen.memory_bytes, seen.free_memory_bytes) == (639 << 20, 309 << 20)
    assert seen.virt_caps == ("pv", "hvm", "gnttab-v1", "gnttab-v2")
    assert seen.capabilities[0] == "xen-3.0-x86_64"
    assert seen.command_line == "console=com1 com1=115200,8n1 dom0_mem=320M,max:320M"


@pytest.mark.parametrize("said", ["", "xen\nPV\n", "\n".join(INFO.splitlines()[:9])])
def test_an_answer_that_was_cut_is_told(said: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        parse_xen(said)


def test_domains_with_their_states() -> None:
    assert parse_domains(LIST) == (
        XenDomain(0, "Domain-0", 320 << 20, 1, ("running",), 7.4),
        XenDomain(3, "a-name-as-long-as-a-name-is-allowed", 96 << 20, 2, ("paused",), 0.0),
        XenDomain(12, "other", 128 << 20, 1, ("shutdown", "crashed"), 121.5),
        XenDomain(13, "waits", 128 << 20, 1, (), 0.3),
    )


def test_a_list_without_dom0_is_none() -> None:
    with pytest.raises(ValueError, match="no domains"):
        parse_domains(LIST.splitlines()[0])


def test_packages_are_found_in_what_another_depends_on() -> None:
    depends = "xen-hypervisor-4.20-amd64, xen-hypervisor-common, python3:any (>= 3.13~), libc6 (>= 2.38) | musl"
    assert parse_dependencies(depends) == (*("xen-hypervisor-4.20-amd64", "xen-hypervisor-common", "python3", "libc6"),)


def test_a_domain_is_paravirtual_and_stays_when_it_crashes() -> None:
    lines = configuration("other", 96 << 20, 2).splitlines()
    assert {"name = 'other'", "type = 'pv'", "memory = 96", "vcpus = 2", "on_crash = 'preserve'"} <= set(lines)
    assert any(line.startswith("extra = ") and "hostname=other" in line for line in lines)


def test_dom0_has_its_console_through_xen_and_its_agent_on_the_second_port() -> None:
    machine = Machine("xen-1", 640 << 20, 1, network=False, accelerator="tcg", firmware=None, board=BOARD)
    words = linux_words(machine)
    assert {"console=hvc0", "hostname=xen-1", "agent=/dev/ttyS1"} <= set(words)
    made = arguments(replace(machine, cpu_model=CPU_MODEL), Wiring(3, 4, 5, Boot("xen", "a b,c", "console=com1")))
    assert made[made.index("-cpu") + 1] == CPU_MODEL
    assert not [word for word in made if "virtio" in word]


@pytest.mark.parametrize(
    ("asked", "field"),
    [({"memory": "400M"}, "memory"), ({"name": "No Name"}, "name"), ({"cold": "very"}, "cold")],
)
def test_what_cannot_work_is_refused_before_anything_starts(asked: dict[str, object], field: str) -> None:
    with pytest.raises(BadRequest) as told:
        xen(**asked)  # type: ignore[arg-type]
    assert told.value.field == field


def test_a_machine_with_too_little_memory_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(host_kernel.host(), memory_bytes=800 << 20)
    monkeypatch.setattr(host_kernel, "host", lambda: small)
    with pytest.raises(Unavailable, match=r"too little memory(.|\n)*800 MiB(.|\n)*960 MiB or more"):
        xen()
