"""A hypervisor that runs on the machine itself, and the domains that it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Xen:
    """Xen as its first domain sees it.

    `kind`, `guest_type` and `uuid` (of the asking domain; dom0's is all zeros) are from /sys/hypervisor
    (Documentation/ABI/stable/sysfs-hypervisor-xen), everything else from `xl info` (xl(1)). `capabilities` are kinds of
    domains that it can run ("xen-3.0-x86_64": paravirtual), `virt_caps` how it can run them, `free_memory_bytes` what
    no domain has.
    """

    kind: str
    guest_type: str
    uuid: str
    version: str
    capabilities: tuple[str, ...]
    virt_caps: tuple[str, ...]
    scheduler: str
    cpus: int
    memory_bytes: int
    free_memory_bytes: int
    command_line: str


@dataclass(frozen=True)
class XenDomain:
    """A domain as `xl list` shows it. `cpu_s` is the processor's time that it has used.

    `states` is of "running", "blocked", "paused", "shutdown", "crashed", "dying"; none of them: it could run, and waits
    for its turn. Source: xl(1), STATES.
    """

    id: int
    name: str
    memory_bytes: int
    vcpus: int
    states: tuple[str, ...]
    cpu_s: float
