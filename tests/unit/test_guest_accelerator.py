"""KVM is believed when a guest booted under it, and for as long as that says something."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandboxes.errors import AcceleratorUnusable
from sandboxes.guests import accelerator as module
from sandboxes.guests import known_accelerator
from sandboxes.guests.channel import ChannelLost
from sandboxes.guests.kernels import GuestKernel
from sandboxes.model import Accelerator

KERNEL = GuestKernel("linux-image", "1", "6.1", direct=True, modules=(), sizes_bytes={}, sha256={})


class Canary:
    """Stands for the emulator of the canary: boots in `boot_ms`, is too slow (None), or dies (an error)."""

    def __init__(self, boot: float | Exception | None) -> None:
        self.outcome, self.booted, self.closed = boot, 0, 0

    def __call__(self, machine: object, kernel: object) -> Canary:
        return self

    def boot(self, deadline_s: float) -> float | None:
        assert deadline_s == 5
        self.booted += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def ended(self, wait_s: float = 0) -> str:
        return "QEMU failed with status 1 (no such machine)"

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A device that opens, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(module, "KVM", device)
    return device


def hatch(monkeypatch: pytest.MonkeyPatch, boot: float | Exception | None) -> Canary:
    canary = Canary(boot)
    monkeypatch.setattr(module, "Emulator", canary)
    monkeypatch.setattr(module, "linux", lambda machine, kernel: None)
    return canary


def test_without_the_device_nothing_is_tried(door: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    door.unlink()
    canary = hatch(monkeypatch, 300.0)
    assert module.choose_accelerator(KERNEL) == Accelerator("tcg", "there is no /dev/kvm")
    assert canary.booted == 0


def test_a_device_that_may_not_be_opened_is_said_to_be_so(door: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.os, "access", lambda path, mode: False)
    found = known_accelerator()
    assert found is not None
    assert found.emulated
    assert "may not open /dev/kvm" in found.proof


@pytest.mark.parametrize(
    ("boot", "name", "proof"),
    [
        (312.0, "kvm", "a guest booted under KVM in 312 ms"),
        (None, "tcg", "a guest did not answer under KVM within 5 s (/dev/kvm opens)"),
        (ChannelLost("x"), "tcg", "a guest did not boot under KVM: QEMU failed with status 1 (no such machine)"),
    ],
    ids=["boots", "hangs", "dies"],
)
def test_the_canary_decides_once_and_is_removed(
    boot: float | Exception | None, name: str, proof: str, door: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = hatch(monkeypatch, boot)
    assert known_accelerator() is None
    found = [module.choose_accelerator(KERNEL) for _ in range(3)]
    assert found == [Accelerator(name, proof)] * 3
    assert known_accelerator() == found[0]
    assert (canary.booted, canary.closed) == (1, 1)


def test_a_verdict_is_for_this_boot_only(door: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hatch(monkeypatch, 312.0)
    module.choose_accelerator(KERNEL)
    monkeypatch.setattr(module, "boot_id", lambda: "another boot")
    assert known_accelerator() is None


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"where": None})])
def test_a_broken_verdict_is_none(text: str, door: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hatch(monkeypatch, 312.0)
    module.choose_accelerator(KERNEL)
    module._verdict().write_text(text)
    assert known_accelerator() is None


def test_kvm_asked_for_by_name_and_unusable_is_an_error_with_the_proof(
    door: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hatch(monkeypatch, None)
    with pytest.raises(AcceleratorUnusable) as raised:
        module.choose_accelerator(KERNEL, "kvm")
    assert "did not answer under KVM within 5 s" in raised.value.seen
    assert str(raised.value).count("\n") == 2


def test_tcg_asked_for_by_name_needs_no_canary(door: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = hatch(monkeypatch, 312.0)
    assert module.choose_accelerator(KERNEL, "tcg").name == "tcg"
    assert canary.booted == 0
