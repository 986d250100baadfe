"""A boot tells its own course: QEMU, firmware, kernel, init and agent, each measured where it happened."""

from __future__ import annotations

import pytest

import sandboxes as sb
from sandboxes.errors import BadRequest, Unavailable

pytestmark = pytest.mark.usefixtures("guest_ready")


@pytest.mark.parametrize("how", [True, "stock"])
def test_a_traced_boot_is_told_from_the_spawn_to_the_answer_without_a_gap(how: bool | str) -> None:
    with sb.guest(cold=how, trace=True) as vm:
        boot = vm.boot()
        lines = vm.run("dmesg | grep -c 'initcall .* returned'").stdout
    chain = [stage for stage in boot.stages if stage.name != "initramfs"]
    assert [stage.name for stage in chain] == [
        "QEMU process",
        "firmware",
        "kernel, before its clock runs",
        "kernel",
        "init",
        "agent",
    ]
    assert [stage.begin_ms for stage in chain[1:]] == [stage.end_ms for stage in chain[:-1]]
    assert all(stage.duration_ms > 0 for stage in boot.stages)
    assert chain[-1].end_ms == vm.boot_ms == boot.total_ms
    assert len(boot.initcalls) == int(lines)
    kernel = next(stage for stage in chain if stage.name == "kernel")
    assert boot.slowest(1)[0].duration_ms < kernel.duration_ms
    assert "acpi_init" in {call.name for call in boot.initcalls}


def test_a_guest_from_a_template_has_no_boot_but_a_course() -> None:
    with sb.guest() as vm:
        boot = vm.boot()
        assert (boot.started, boot.initcalls) == ("template", ())
        assert [stage.name for stage in boot.stages] == ["QEMU process", "state restored", "identity and first answer"]
        assert boot.total_ms == vm.boot_ms


def test_a_boot_that_nobody_traced_says_how_to_trace_one() -> None:
    with sb.guest(cold=True) as vm, pytest.raises(Unavailable, match="trace=True"):
        vm.boot()


@pytest.mark.parametrize("wrong", [{}, {"cold": True, "architecture": "arm64"}])
def test_only_a_boot_that_can_be_traced_is(wrong: dict[str, object]) -> None:
    with pytest.raises(BadRequest, match="trace"):
        sb.guest(trace=True, **wrong)  # type: ignore[arg-type] # keywords of several types
