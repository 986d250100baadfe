"""What dom0 is told about its hypervisor and the domains: asked in one command, read from text."""

from __future__ import annotations

import re

from sandboxes.model import Xen, XenDomain

QUESTION = """
cd /sys/hypervisor && cat type guest_type uuid && exec xl info
"""
"""Shell text; parse_xen reads what it prints."""

STATES = {"r": "running", "b": "blocked", "p": "paused", "s": "shutdown", "c": "crashed", "d": "dying"}
"""The letters of `xl list`, in their order: xl(1), STATES."""

_ROW = re.compile(r"^(.+?) +(\d+) +(\d+) +(\d+)\s+([rbpscd-]{6})\s+([0-9.]+)$", re.MULTILINE)
_MIB = 1 << 20


def parse_xen(said: str) -> Xen:
    """Raises ValueError and KeyError when the answer is not complete. Sizes are in MiB there: xl(1), info."""
    kind, guest_type, uuid, info = said.split("\n", 3)
    known = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in info.splitlines())}
    return Xen(
        kind=kind,
        guest_type=guest_type,
        uuid=uuid,
        version=known["xen_version"],
        capabilities=tuple(known["xen_caps"].split()),
        virt_caps=tuple(known["virt_caps"].split()),
        scheduler=known["xen_scheduler"],
        cpus=int(known["nr_cpus"]),
        memory_bytes=int(known["total_memory"]) * _MIB,
        free_memory_bytes=int(known["free_memory"]) * _MIB,
        command_line=known["xen_commandline"],
    )


def parse_domains(listed: str) -> tuple[XenDomain, ...]:
    """From `xl list`: a heading, then one domain a line. Raises ValueError when there is not even dom0."""
    found = tuple(
        XenDomain(
            id=int(number),
            name=name,
            memory_bytes=int(memory) * _MIB,
            vcpus=int(vcpus),
            states=tuple(STATES[letter] for letter in letters if letter != "-"),
            cpu_s=float(used),
        )
        for name, number, memory, vcpus, letters, used in _ROW.findall(listed)
    )
    if not found:
        raise ValueError(f"no domains listed: {listed[:80]!r}")
    return found
