"""What has to be there before guests can start: put there (prepare), or only looked for (found)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sandboxes.guests.accelerator import known_accelerator
from sandboxes.guests.compiler import found_compiler, prepare_compiler
from sandboxes.guests.initramfs import found_busybox, initramfs
from sandboxes.guests.kernels import GuestKernel, Say, found_kernel, prepare_kernel
from sandboxes.guests.machine import found_firmware, found_program
from sandboxes.guests.start import prepare_template
from sandboxes.model import Accelerator


@dataclass(frozen=True)
class GuestParts:
    """The parts of a guest on this machine; None: missing, or for `accelerator` not yet known."""

    qemu: Path | None
    firmware: Path | None
    busybox: Path | None
    kernel: GuestKernel | None
    compiler: Path | None
    accelerator: Accelerator | None

    @property
    def missing(self) -> tuple[str, ...]:
        """What to do about each part without which no guest starts."""
        wanted = (
            (self.qemu, "apt-get install qemu-system-x86"),
            (self.busybox, "apt-get install busybox-static"),
            (self.kernel, "run ./textbook once: its set-up fetches a guest kernel with apt, without installing it"),
            (self.compiler, "run ./textbook once: its set-up fetches a small compiler for the guests' agent with apt"),
        )
        return tuple(remedy for part, remedy in wanted if part is None)


def found() -> GuestParts:
    """What is there. Starts nothing, fetches nothing, writes nothing."""
    return GuestParts(
        found_program(), found_firmware(), found_busybox(), found_kernel(), found_compiler(), known_accelerator()
    )


def prepare(say: Say = lambda line: None) -> GuestParts:
    """Kernel, agent, file systems and the usual template are in the cache; `say` hears one line for each slow step.

    Raises GuestUnavailable when a part cannot be had; its `remedy` says what to install. Raises StartFailed.
    """
    kernel = prepare_kernel(say)
    prepare_compiler(say)
    for network in (False, True):
        initramfs(kernel, network=network)
    if not found().missing:
        prepare_template(say)
    return found()
