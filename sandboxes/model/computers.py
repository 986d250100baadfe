"""A virtual computer that runs something else than a guest of ours."""

from __future__ import annotations

from dataclasses import dataclass

from sandboxes.model.guests import Accelerator
from sandboxes.model.machine import Host, Process, Thread
from sandboxes.model.surfaces import Surface


@dataclass(frozen=True)
class Computer:
    """Seen from its host alone: nothing inside answers questions. `what` names what it runs, `about` says it in words.

    `process` and `threads` belong to QEMU; `pss_bytes` is its proportional share of memory
    (Documentation/filesystems/proc.rst, smaps_rollup). `state` is QEMU's word: "running", "paused".
    """

    name: str
    what: str
    about: str
    state: str
    process: Process
    threads: tuple[Thread, ...]
    pss_bytes: int
    seccomp: str
    qemu_version: str
    cpu_model: str
    accelerator: Accelerator
    memory_bytes: int
    surface: Surface
    host: Host
