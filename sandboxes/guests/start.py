"""From a reader's request to a guest that answers."""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import replace

from sandboxes import kernel as host_kernel
from sandboxes import request
from sandboxes.errors import BadRequest, GuestUnavailable, StartFailed
from sandboxes.guests.accelerator import CHOICES, choose_accelerator
from sandboxes.guests.architectures import X86_64, Architecture
from sandboxes.guests.boards import check_board, chosen_board
from sandboxes.guests.emulator import Emulator
from sandboxes.guests.exchange import ChannelLost
from sandboxes.guests.foreign import prepare_foreign
from sandboxes.guests.kernels import GuestKernel, found_kernel
from sandboxes.guests.machine import Machine, found_firmware
from sandboxes.guests.monitor import Monitor, MonitorLost
from sandboxes.guests.parts import Say
from sandboxes.guests.sandbox import GuestSandbox
from sandboxes.model import Accelerator

LEAST_MEMORY_BYTES = 96 << 20
"""Debian's cloud kernel boots in 80 MiB; in 64 MiB it runs out of memory while it boots."""

BOOT_S = 30.0

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
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
    say: Say = print,
) -> GuestSandbox:
    """A guest has booted and answers. `accelerator` is "kvm", "tcg" or None: KVM when it works here, else tcg.

    `memory` is at most half of this machine's, `cpus` at most its number. `network=True` adds a card whose other end is
    QEMU alone: neither this machine nor any other can be reached through it.
    `board` is "q35" (the default), "pc" or "microvm"; `architecture` is "x86-64", "arm64" or "s390x", the latter always
    emulated. Their parts are fetched with apt into the cache, once; `say` hears what, and how large it is.
    Raises BadRequest before anything starts, GuestUnavailable, AcceleratorUnusable, StartFailed; nothing is left then.
    Source of its facts: the QEMU machine protocol (QMP), and the guest's own kernel.
    """
    machine = _machine(memory, cpus, network, name, board, architecture)
    asked = None if accelerator is None else request.one_of("accelerator", accelerator, CHOICES)
    kind = machine.board.architecture
    if kind is not X86_64:
        how = _emulated(kind, asked)
        kernel = prepare_foreign(kind, say)
    else:
        kernel = needed_kernel()
        how = choose_accelerator(kernel, asked)
    return _boot(replace(machine, accelerator=how.name), kernel, how)


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
        name=_name(name),
        memory_bytes=request.size_bytes("memory", memory, least=LEAST_MEMORY_BYTES, most=here.memory_bytes // 2),
        cpus=request.count("cpus", cpus, least=1, most=here.cpus),
        network=request.yes_or_no("network", network),
        accelerator="tcg",
        firmware=found_firmware() if chosen.architecture is X86_64 else None,
        board=chosen,
    )
    check_board(chosen, cpus=machine.cpus, network=machine.network)
    return machine


def _name(name: str | None) -> str:
    if name is None:
        return f"guest-{next(_numbers)}"
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise BadRequest(
        "name",
        "cannot be a host name.",
        seen=ascii(name)[:60],
        remedy="up to 32 of a-z, 0-9 and -, beginning with a letter, not ending with -",
    )


def _boot(machine: Machine, kernel: GuestKernel, how: Accelerator) -> GuestSandbox:
    begun = time.monotonic()
    emulator = Emulator(machine, kernel)
    try:
        boot_ms = emulator.boot(BOOT_S)
        if boot_ms is None:
            raise _not_started(machine, f"it did not answer within {BOOT_S:g} s", emulator)
        monitor = Monitor(emulator.monitor_end)
        start_ms = (time.monotonic() - begun) * 1000
        return GuestSandbox(machine, how, emulator, monitor, boot_ms=boot_ms, start_ms=start_ms)
    except (ChannelLost, MonitorLost) as lost:
        failure = _not_started(machine, emulator.ended(wait_s=2.0) or str(lost), emulator)
        emulator.close()
        raise failure from lost
    except BaseException:
        emulator.close()
        raise


def _not_started(machine: Machine, why: str, emulator: Emulator) -> StartFailed:
    tail = emulator.console.tail()
    return StartFailed(
        f"The guest {machine.name} did not start under {machine.accelerator}.",
        seen=f"{why}; its console ended:\n{tail}" if tail else f"{why}; nothing on its console",
        remedy="try again; if it stays so, see `./textbook doctor`",
    )
