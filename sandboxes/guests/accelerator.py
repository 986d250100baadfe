"""How guests execute here: under KVM only after a guest has really booted under it, else emulated (tcg).

That /dev/kvm exists, opens and answers proves nothing: inside some virtual machines it does all that and then hangs.
So a canary guest is booted once per boot of this machine, with a deadline, and what was seen is kept in the cache.
"""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

from sandboxes.errors import AcceleratorUnusable
from sandboxes.guests.cache import guests_folder, locked
from sandboxes.guests.emulator import Emulator
from sandboxes.guests.exchange import ChannelLost
from sandboxes.guests.kernels import GuestKernel
from sandboxes.guests.machine import Machine, found_firmware, found_program
from sandboxes.guests.qemu import KVM
from sandboxes.guests.system import linux
from sandboxes.kernel import boot_id
from sandboxes.lifecycle.cache import put
from sandboxes.model import Accelerator

CANARY_S = 5.0
CANARY_BYTES = 128 << 20
CHOICES = ("kvm", "tcg")


def choose_accelerator(kernel: GuestKernel, asked: str | None = None) -> Accelerator:
    """KVM when a guest boots under it, else tcg; `asked` names one of them.

    The first call after this machine booted may take 5 s (the canary's deadline).
    Raises AcceleratorUnusable when KVM was asked for and no guest boots under it.
    """
    if asked == "tcg":
        return Accelerator("tcg", "asked for by name")
    seen = known_accelerator() or _try(kernel)
    if asked == "kvm" and seen.emulated:
        raise AcceleratorUnusable(
            "KVM was asked for and no guest boots under it.",
            seen=f"{seen.proof} (Linux {platform.release()}, {_cpu_flags()})",
            remedy='leave out accelerator="kvm": guests then run emulated (tcg); see `./textbook doctor`',
        )
    return seen


def known_accelerator() -> Accelerator | None:
    """What is known without booting anything: from the state of /dev/kvm, or from this boot's canary; else None."""
    if reason := _closed_door():
        return Accelerator("tcg", reason)
    try:
        kept = json.loads(_verdict().read_text())
        return Accelerator(kept["name"], kept["proof"]) if kept["where"] == _where() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _closed_door() -> str | None:
    """Why KVM need not be tried at all, or None."""
    if not KVM.exists():
        return "there is no /dev/kvm"
    if not os.access(KVM, os.R_OK | os.W_OK):
        return "this user may not open /dev/kvm (its group, as a rule kvm, may)"
    return None


def _try(kernel: GuestKernel) -> Accelerator:
    """Boot the canary, once: others who ask meanwhile wait for the same answer."""
    with locked("accelerator"):
        if known := known_accelerator():
            return known
        seen = _canary(kernel)
        kept = {"where": _where(), "name": seen.name, "proof": seen.proof}
        put(_verdict(), json.dumps(kept, indent=1).encode())
        return seen


def _canary(kernel: GuestKernel) -> Accelerator:
    machine = Machine("canary", CANARY_BYTES, 1, network=False, accelerator="kvm", firmware=found_firmware())
    emulator = Emulator(machine, linux(machine, kernel))
    try:
        if boot_ms := emulator.boot(CANARY_S):
            return Accelerator("kvm", f"a guest booted under KVM in {boot_ms:.0f} ms")
        return Accelerator("tcg", f"a guest did not answer under KVM within {CANARY_S:g} s (/dev/kvm opens)")
    except ChannelLost:
        return Accelerator("tcg", f"a guest did not boot under KVM: {emulator.ended(wait_s=2.0)}")
    finally:
        emulator.close()


def _verdict() -> Path:
    return guests_folder() / "accelerator.json"


def _where() -> list[object]:
    """What the answer depends on: this boot of this machine, who asks, and which QEMU."""
    program = found_program()
    return [boot_id(), os.getuid(), program and os.stat(program).st_mtime_ns]


def _cpu_flags() -> str:
    words = set(Path("/proc/cpuinfo").read_text().split())
    return "CPU flag " + " ".join(words & {"vmx", "svm"}) if words & {"vmx", "svm"} else "no CPU flag vmx or svm"
