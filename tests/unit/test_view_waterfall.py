"""Boots and shutdowns are drawn from their records, along one clock."""

from __future__ import annotations

import re

from sandboxes import view
from sandboxes.model import EMULATED, Accelerator, Boot, Host, Initcall, Shutdown, Stage

HOST = Host("here", "Debian GNU/Linux 12", "6.18.5", "x86_64", 2, 8 << 30, "hybrid", "0" * 36)
COLD = Boot(
    guest="guest-1",
    started="cold",
    firmware="qboot",
    accelerator=Accelerator("tcg", "no /dev/kvm"),
    stages=(Stage("QEMU process", 0, 50), Stage("firmware", 50, 100), Stage("kernel", 100, 1000)),
    initcalls=tuple(Initcall(f"call_{number}", 200 + number, 201 + 3 * number) for number in range(9)),
    host=HOST,
)
RESTORED = Boot("guest-2", "template", "qboot", COLD.accelerator, (Stage("QEMU process", 0, 40),), (), HOST)


def html(*seen: Boot | Shutdown) -> str:
    return view.waterfall(*seen)._repr_html_()


def test_every_stage_has_a_bar_where_it_belongs() -> None:
    assert 'style="left:5.00%;width:5.00%"' in html(COLD)
    assert 'style="left:10.00%;width:90.00%"' in html(COLD)


def test_two_boots_share_one_clock() -> None:
    assert 'style="left:0.00%;width:4.00%"' in html(COLD, RESTORED)


def test_a_bar_never_leaves_its_track() -> None:
    late = Shutdown("killed", (Stage("power button", 0, 1000), Stage("SIGKILL", 1000, 1000.001)), 1000.001)
    bars = re.findall(r"left:([\d.]+)%;width:([-\d.]+)%", html(late))
    assert all(float(left) + float(width) <= 100.36 and float(width) >= 0 for left, width in bars)


def test_only_the_slowest_initcalls_are_shown_in_the_order_of_time() -> None:
    named = re.findall(r"(call_\d)\(\): from", repr(view.waterfall(COLD)))
    assert named == ["call_4", "call_5", "call_6", "call_7", "call_8"]


def test_the_text_twin_says_the_same() -> None:
    assert "  firmware: from 50 ms, takes 50 ms" in repr(view.waterfall(COLD)).splitlines()


def test_an_emulated_guest_carries_its_warning_and_one_under_kvm_does_not() -> None:
    native = Boot("guest-3", "cold", "qboot", Accelerator("kvm", "booted"), COLD.stages, (), HOST)
    assert EMULATED in html(COLD)
    assert EMULATED not in html(native)


def test_a_shutdown_is_drawn_too() -> None:
    ended = Shutdown("power button", (Stage("power button", 0, 40), Stage("init ends its programs", 40, 1040)), 1040)
    assert "Shutdown by power button: 1,040 ms" in repr(view.waterfall(ended))
