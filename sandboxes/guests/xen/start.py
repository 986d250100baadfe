"""From a reader's request to a running Xen."""

from __future__ import annotations

import itertools

from sandboxes import kernel as host_kernel
from sandboxes import request
from sandboxes.errors import Unavailable
from sandboxes.guests.machine import Machine, needed_program
from sandboxes.guests.naming import host_name
from sandboxes.guests.parts import Say
from sandboxes.guests.start import needed_kernel
from sandboxes.guests.started import started
from sandboxes.guests.xen.image import BOARD, CPU_MODEL, DOM0_BYTES, system
from sandboxes.guests.xen.parts import prepare_xen
from sandboxes.guests.xen.sandbox import LEAST_DOMAIN_BYTES, XenSandbox
from sandboxes.model import Accelerator

XEN_BYTES = 64 << 20
"""For Xen itself, with some to spare: about 12 MiB, and as much again as tables for what domains have."""

LEAST_MEMORY_BYTES = DOM0_BYTES + XEN_BYTES + LEAST_DOMAIN_BYTES

EMULATED = Accelerator("tcg", "Xen is emulated always: it was never seen to boot under KVM here")

_numbers = itertools.count(1)


def xen(*, memory: str | int = "640M", name: str | None = None, cold: bool = False, say: Say = print) -> XenSandbox:
    """A Xen runs, with a dom0 that answers: run() is a command in dom0. It is always emulated, with one processor.

    It goes on from a template, as guest() does (about 9 s to make, once; then 0.1 s); `cold=True`: it boots.
    320 MiB of `memory` are dom0's; the rest is for other domains. It is at most half of this machine's.
    Xen, its programs and a kernel are fetched with apt into the cache, once; `say` hears what, and how large it is.
    Raises BadRequest, and Unavailable on a machine with too little memory or whose apt cannot offer a part, before
    anything starts; GuestUnavailable, StartFailed; nothing is left then. Source of its facts: /sys/hypervisor, and
    xl(1) in dom0.
    """
    machine = Machine(
        name=f"xen-{next(_numbers)}" if name is None else host_name(name),
        memory_bytes=_memory(memory),
        cpus=1,
        network=False,
        accelerator=EMULATED.name,
        firmware=None,  # multiboot is code in an option ROM, which qboot does not run
        board=BOARD,
        cpu_model=CPU_MODEL,
    )
    boots = request.yes_or_no("cold", cold)
    needed_program()
    domains = needed_kernel()
    dom0 = prepare_xen(say)
    return started(XenSandbox, machine, EMULATED, lambda one: system(one, dom0, domains), cold=boots, say=say)


def _memory(memory: str | int) -> int:
    most = host_kernel.host().memory_bytes // 2
    if most < LEAST_MEMORY_BYTES:
        raise Unavailable(
            "This machine has too little memory for Xen.",
            seen=f"{most >> 19} MiB, of which a guest may have half",
            remedy=f"a machine with {LEAST_MEMORY_BYTES >> 19} MiB or more",
        )
    return request.size_bytes("memory", memory, least=LEAST_MEMORY_BYTES, most=most)
