"""What QEMU and a kernel noted during a boot becomes stages on one clock. The data were recorded from one boot."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandboxes.guests.waterfall import (
    FirmwareTrace,
    KernelTrace,
    boot_stages,
    marked_ms,
    on_hosts_clock,
    parse_firmware_trace,
    parse_kernel_trace,
)

DATA = Path(__file__).with_name("data")
TRACE = (DATA / "qemu-fw-cfg-trace.txt").read_text()
LOG = (DATA / "kernel-log-initcalls.txt").read_text()


def test_a_firmware_works_from_the_reset_by_qemus_own_thread_to_its_last_request() -> None:
    seen = parse_firmware_trace(TRACE)
    assert (seen.reset_s, seen.loaded_s) == (1795592688.629475, 1795592688.641026)


def test_complaints_between_the_requests_do_not_matter() -> None:
    said = TRACE.replace("\n", "\n2026-11-25T07:44:48Z qemu-system-x86_64: warning: 9@1.2: no event\n", 1)
    assert parse_firmware_trace(said) == parse_firmware_trace(TRACE)


@pytest.mark.parametrize("log", ["", TRACE.splitlines()[0]])
def test_a_firmware_that_asked_for_nothing_is_an_error(log: str) -> None:
    with pytest.raises(ValueError, match="asked QEMU for nothing"):
        parse_firmware_trace(log)


def test_a_kernels_log_tells_when_it_unpacked_its_files_and_came_to_init() -> None:
    seen = parse_kernel_trace(LOG)
    assert seen.unpacking_ms == pytest.approx(1027.699)
    assert seen.unpacked_ms == pytest.approx(1086.660)
    assert seen.init_ms == pytest.approx(1360.863)
    assert seen.prepared_ms == pytest.approx(1582.519)


def test_an_initcall_takes_what_lies_between_its_two_lines_not_what_the_kernel_rounds_to_its_tick() -> None:
    calls = {call.name: call for call in parse_kernel_trace(LOG).initcalls}
    assert calls["acpi_init"].duration_ms == pytest.approx(94.469)
    assert calls["acpi_init"].begin_ms == pytest.approx(748.628)


def test_initcalls_of_modules_count_too() -> None:
    assert "virtio_init" in {call.name for call in parse_kernel_trace(LOG).initcalls}


def test_an_initcall_that_never_returned_is_left_out() -> None:
    cut = "\n".join(line for line in LOG.splitlines() if "initcall acpi_init" not in line)
    assert "acpi_init" not in {call.name for call in parse_kernel_trace(cut).initcalls}


@pytest.mark.parametrize("missing", ["Run /init", "prepared"])
def test_a_log_that_stops_before_the_end_of_the_boot_is_an_error(missing: str) -> None:
    cut = "\n".join(line for line in LOG.splitlines() if missing not in line)
    with pytest.raises(ValueError, match="does not reach"):
        parse_kernel_trace(cut)


def test_the_moment_of_a_mark_is_on_the_kernels_clock() -> None:
    assert marked_ms(LOG, "mark-1-here") == pytest.approx(1617.410)
    with pytest.raises(ValueError, match="no mark-9"):
        marked_ms(LOG, "mark-9")


def test_stages_follow_each_other_without_a_gap_and_the_initramfs_lies_within_the_kernel() -> None:
    stages = boot_stages(FirmwareTrace(0.05, 0.1), KernelTrace(1000.0, 1060.0, 1300.0, 1500.0, ()), 160.0, 1700.0)
    within = next(stage for stage in stages if stage.name == "initramfs")
    others = [stage for stage in stages if stage is not within]
    assert [stage.begin_ms for stage in others[1:]] == [stage.end_ms for stage in others[:-1]]
    assert (others[0].begin_ms, others[-1].end_ms) == (0.0, 1700.0)
    kernel = next(stage for stage in stages if stage.name == "kernel")
    assert kernel.begin_ms < within.begin_ms < within.end_ms < kernel.end_ms


def test_a_kernel_that_does_not_say_that_it_unpacks_has_no_such_stage() -> None:
    stages = boot_stages(FirmwareTrace(0.05, 0.1), KernelTrace(None, None, 1300.0, 1500.0, ()), 160.0, 1700.0)
    assert "initramfs" not in {stage.name for stage in stages}


def test_initcalls_move_to_the_hosts_clock_with_their_kernel() -> None:
    (call, *_) = on_hosts_clock(parse_kernel_trace(LOG).initcalls, 100.0)
    assert (call.name, call.begin_ms) == ("irq_poll_setup", pytest.approx(847.928))
