"""Containers in a guest as the guest's kernel reports them."""

from __future__ import annotations

from dataclasses import dataclass

from sandboxes.model.cgroups import CgroupSample
from sandboxes.model.guests import Accelerator
from sandboxes.model.limits import Limits
from sandboxes.model.machine import Process


@dataclass(frozen=True)
class Level:
    """One of what lies between this machine and a program: `kind` is "kernel", "process" or "container".

    `pid` is the number of its first process in the kernel below it, `boot_id` names the kernel that it is, or that it
    runs under; kernels themselves have no pid.
    """

    kind: str
    name: str
    detail: str
    boot_id: str
    pid: int | None = None


@dataclass(frozen=True)
class GuestContainer:
    """A running container in a guest. `init` and `processes` have the numbers of the guest's kernel, not of this one's.

    `layers` are the sha256 of its image's layers, computed in the guest from what lies there; `image_id` is the digest
    of its configuration, by which an engine names the same image, or None for the book's own. `chain` goes from
    this machine's kernel by the QEMU process and the guest's kernel to the container. The other fields mean what they
    mean for Container.
    """

    name: str
    image: str
    image_id: str | None
    layers: tuple[str, ...]
    runtime: str
    profile: str
    user: str
    init: Process
    processes: tuple[Process, ...]
    limits: Limits
    cgroup: CgroupSample
    capabilities: tuple[str, ...]
    seccomp: str
    no_new_privileges: bool
    start_ms: float
    paused: bool
    accelerator: Accelerator
    chain: tuple[Level, ...]

    @property
    def promise(self) -> str:
        """What stands between the container's kernel and this machine."""
        return self.accelerator.promise
