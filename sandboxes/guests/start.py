"""From a reader's request to a guest that answers."""

from __future__ import annotations

import itertools
from dataclasses import replace

from sandboxes import kernel as host_kernel
from sandboxes import request
from sandboxes.errors import BadRequest, GuestUnavailable
from sandboxes.guests.accelerator import CHOICES, choose_accelerator
from sandboxes.guests.architectures import X86_64, Architecture
from sandboxes.guests.boards import Q35, check_board, chosen_board
from sandboxes.guests.boxes.runtime import prepare_runtime
from sandboxes.guests.foreign import prepare_foreign
from sandboxes.guests.kernels import GuestKernel, found_kernel
from sandboxes.guests.machine import Machine, found_firmware
from sandboxes.guests.naming import host_name
from sandboxes.guests.parts import Say
from sandboxes.guests.sandbox import GuestSandbox
from sandboxes.guests.started import prepared, started
from sandboxes.guests.system import linux
from sandboxes.model import Accelerator

LEAST_MEMORY_BYTES = 96 << 20
"""Debian's cloud kernel boots in 80 MiB; in 64 MiB it runs out of memory while it boots."""

LEAST_WITH_CONTAINERS_BYTES = 160 << 20
"""Runtime, layers and libraries take up to 40 MiB while a guest boots, and a container is to have room."""

_numbers = itertools.count(1)


def guest(
    *,
    memory: str | int = "256M",
    cpus: int = 1,
    network: bool = False,
    accelerator: str | None = None,
    name: str | None = None,
    board: str | None = None,
    architecture: str | None = None,
    containers: bool = False,
    cold: bool | str = False,
    trace: bool = False,
    say: Say = print,
) -> GuestSandbox:
    """A guest answers. `accelerator` is "kvm", "tcg" or None: KVM when it works here, else tcg.

    It goes on from a template: a guest of the same kind that was booted once and is kept (about 3 s, of which `say`
    hears; then 0.1 s). `cold=True`: it boots instead. `cold="stock"`: it boots on plain QEMU's default machine, with
    the distribution's compressed kernel and no words to tune it. Foreign guests always boot: their agent cannot give
    them random numbers of their own. `trace=True`: QEMU and its kernel note how it boots, which boot() then tells.

    `memory` is at most half of this machine's, `cpus` at most its number. `network=True` adds a card whose other end is
    QEMU alone: neither this machine nor any other can be reached through it.
    `board` is "q35" (the default), "pc" or "microvm"; `architecture` is "x86-64", "arm64" or "s390x", the latter always
    emulated. Their parts are fetched with apt into the cache, once; `say` hears what, and how large it is.
    `containers=True`: the guest has a container runtime, a library of layers, and cgroups of version 2 with all
    controllers on, so that container() works. Such a guest has at least 160 MiB.
    Raises BadRequest before anything starts, GuestUnavailable, AcceleratorUnusable, StartFailed; nothing is left then.
    Source of its facts: the QEMU machine protocol (QMP), and the guest's own kernel.
    """
    machine = _machine(memory, cpus, network, name, board, architecture)
    asked = None if accelerator is None else request.one_of("accelerator", accelerator, CHOICES)
    machine = _with_containers(machine) if request.yes_or_no("containers", containers) else machine
    boots = _boots(cold, machine)
    traced = _traced(trace, boots, machine)
    kind = machine.board.architecture
    if kind is not X86_64:
        how = _emulated(kind, asked)
        kernel = prepare_foreign(kind, say)
    else:
        kernel = needed_kernel()
        if machine.containers:
            prepare_runtime(say)
        how = choose_accelerator(kernel, asked)
    machine = replace(machine, accelerator=how.name, stock=boots == "stock", trace=traced)
    return started(GuestSandbox, machine, how, lambda one: linux(one, kernel), cold=boots is not None, say=say)


def prepare_template(say: Say = print) -> None:
    """The template that guest() starts from when it is asked for nothing special is in the cache.

    Raises GuestUnavailable, StartFailed. `say` hears of it when it is made (about 3 s).
    """
    kernel = needed_kernel()
    machine = _machine("256M", 1, network=False, name=None, board=None, architecture=None)
    how = choose_accelerator(kernel)
    prepared(replace(machine, accelerator=how.name), lambda one: linux(one, kernel), say=say)


def needed_kernel() -> GuestKernel:
    """The guest kernel from the cache. Raises GuestUnavailable when set-up has not put one there."""
    kernel = found_kernel()
    if kernel is None:
        raise GuestUnavailable(
            "There is no guest kernel yet.",
            seen="none in the cache, or its files are not complete",
            remedy="run ./textbook once: its set-up fetches one with apt, without installing it",
        )
    return kernel


def _emulated(kind: Architecture, asked: str | None) -> Accelerator:
    if asked == "kvm":
        raise BadRequest(
            "accelerator",
            f"cannot be KVM for {kind.name}.",
            seen=asked,
            remedy="leave it out: such guests are emulated",
        )
    return Accelerator("tcg", f"{kind.name} is another kind of processor than this machine's")


def _machine(
    memory: str | int, cpus: int, network: bool, name: str | None, board: str | None, architecture: str | None
) -> Machine:
    here = host_kernel.host()
    chosen = chosen_board(board, architecture)
    machine = Machine(
        name=f"guest-{next(_numbers)}" if name is None else host_name(name),
        memory_bytes=request.size_bytes("memory", memory, least=LEAST_MEMORY_BYTES, most=here.memory_bytes // 2),
        cpus=request.count("cpus", cpus, least=1, most=here.cpus),
        network=request.yes_or_no("network", network),
        accelerator="tcg",
        firmware=found_firmware() if chosen.architecture is X86_64 else None,
        board=chosen,
    )
    check_board(chosen, cpus=machine.cpus, network=machine.network)
    return machine


def _with_containers(machine: Machine) -> Machine:
    if machine.board.architecture is not X86_64:
        raise BadRequest(
            "containers",
            "need a guest of this machine's own kind of processor.",
            seen=machine.board.architecture.name,
            remedy="leave out architecture=",
        )
    if machine.memory_bytes < LEAST_WITH_CONTAINERS_BYTES:
        raise BadRequest(
            "memory",
            "is too little for a guest that runs containers.",
            seen=f"{machine.memory_bytes >> 20} MiB",
            remedy=f"{LEAST_WITH_CONTAINERS_BYTES >> 20}M or more",
        )
    return replace(machine, containers=True)


def _boots(cold: bool | str, machine: Machine) -> str | None:
    """How it is to boot, or None: from a template. Raises BadRequest."""
    if cold is False:
        return None if machine.board.architecture is X86_64 else "cold"
    if cold is True:
        return "cold"
    word = request.one_of("cold", cold, ("stock",))
    if machine.board is not Q35 or machine.network:
        raise BadRequest(
            "cold",
            "the stock machine is plain QEMU's own.",
            seen="another board, or a network card",
            remedy="leave out board= and network=, or use cold=True",
        )
    return word


def _traced(trace: bool, boots: str | None, machine: Machine) -> bool:
    """Raises BadRequest for what does not boot, or not with a firmware that asks QEMU for its files."""
    if not request.yes_or_no("trace", trace):
        return False
    if boots is None or machine.board.architecture is not X86_64:
        raise BadRequest(
            "trace",
            "is of a boot, on x86-64.",
            seen="another architecture" if boots else "a guest that goes on from a template",
            remedy="add cold=True; boot() tells of a template without a trace",
        )
    return True
