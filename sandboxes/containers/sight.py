"""What a kernel's own files say of a container: this machine's, or that of the guest which its engine is in."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from sandboxes import kernel, model
from sandboxes.containers import activity, members
from sandboxes.containers.guest_group import GuestGroup
from sandboxes.errors import SandboxGone
from sandboxes.kernel import Cgroup


@dataclass(frozen=True)
class Look:
    """`init` is the first process, with its rights; `boot_id` is that of the kernel which says so."""

    init: model.Process
    processes: tuple[model.Process, ...]
    capabilities: tuple[str, ...]
    seccomp: str
    no_new_privileges: bool
    boot_id: str


def sample(cgroup: Cgroup) -> model.CgroupSample:
    """Raises SandboxGone, Unavailable."""
    return cgroup.sample() if isinstance(cgroup, GuestGroup) else kernel.sample(cgroup)


def details(cgroup: Cgroup) -> model.CgroupDetails:
    """Raises SandboxGone, Unavailable."""
    return cgroup.details() if isinstance(cgroup, GuestGroup) else kernel.details(cgroup)


def stats(cgroup: Cgroup, interval_s: float) -> model.Activity:
    """Raises SandboxGone, Unavailable."""
    if isinstance(cgroup, GuestGroup):
        return cgroup.stats(interval_s)
    return activity.between(cgroup, members.init_of(cgroup), interval_s)


def frozen(cgroup: Cgroup) -> bool:
    """Every process in it stands still. Raises SandboxGone."""
    return cgroup.frozen() if isinstance(cgroup, GuestGroup) else kernel.is_frozen(cgroup)


def processes(cgroup: Cgroup) -> tuple[model.Process, ...]:
    """All of its processes. Raises SandboxGone."""
    if isinstance(cgroup, GuestGroup):
        return cgroup.look().processes
    found = []
    for pid, _ in members.live(cgroup):
        with contextlib.suppress(SandboxGone):
            found.append(kernel.process(pid))
    return tuple(found)


def look(cgroup: Cgroup) -> Look:
    """Raises SandboxGone, Unavailable when this user may not look."""
    if isinstance(cgroup, GuestGroup):
        seen = cgroup.look()
        return Look(
            seen.init,
            seen.processes,
            kernel.parse_capabilities(seen.status),
            kernel.parse_seccomp(seen.status),
            kernel.parse_no_new_privileges(seen.status),
            seen.boot_id,
        )
    init = kernel.process(members.init_of(cgroup))
    return Look(
        init,
        processes(cgroup),
        kernel.capabilities(init.pid),
        kernel.seccomp_mode(init.pid),
        kernel.no_new_privileges(init.pid),
        kernel.boot_id(),
    )
