"""Records -> rows, sentences and escaped HTML: what the views say, without a browser."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sandboxes.errors import BadRequest
from sandboxes.model import (
    EMULATED,
    NAMESPACE_KINDS,
    Accelerator,
    AddressSpace,
    CapabilitySets,
    Check,
    EmulatorProcess,
    Engine,
    Footprint,
    Guest,
    Host,
    Hypervisor,
    MemoryRange,
    Migration,
    Namespaces,
    Privileges,
    Process,
    Result,
    Thread,
    Translation,
    Twin,
    Verdict,
    VirtualCpu,
)
from sandboxes.view import checks, namespaces, stamp, twin, verdict
from sandboxes.view.cards import VERDICT_SHAPES
from sandboxes.view.columns import shapes
from sandboxes.view.markup import element
from sandboxes.view.recorded import minute, recorded
from sandboxes.view.sharing import rows
from sandboxes.view.stack import layers_of

HOST = Host("here", "Debian GNU/Linux 12", "6.18.1", "x86_64", 2, 8 << 30, "hybrid", "boot-a")
ENGINE = Engine("Docker", "20.10.24", "private", False, "v1", "cgroupfs", "runc", cpu_limit=True)
TCG = Accelerator("tcg", "no guest boots under KVM")
INITIAL = dict(zip(NAMESPACE_KINDS, range(100, 108), strict=True))
ON_HOST = Namespaces("host", "host", "python3", 10, "boot-a", INITIAL)
BOXED = Namespaces("box", "container", "sleep", 20, "boot-a", {**INITIAL, "pid": 900, "net": 901})
IN_GUEST = Namespaces("vm", "guest", "init", 1, "boot-b", INITIAL)


def row(kind: str, *seen: Namespaces):  # type: ignore[no-untyped-def]
    return next(one for one in rows(seen) if one.kind == kind)


def test_every_kind_of_namespace_has_a_row_in_the_order_of_the_manual() -> None:
    assert tuple(one.kind for one in rows([ON_HOST])) == NAMESPACE_KINDS


def test_same_kernel_and_same_number_is_one_namespace() -> None:
    shared = row("user", ON_HOST, BOXED)
    assert [cell.shape for cell in shared.cells] == [0, 0]
    assert [cell.text for cell in shared.cells] == ["shared with box", "shared with host"]
    assert shared.summary == "one for all"


def test_another_number_is_a_namespace_of_its_own() -> None:
    own = row("pid", ON_HOST, BOXED)
    assert [cell.shape for cell in own.cells] == [0, 1]
    assert own.cells[1].text == "its own"
    assert own.summary == "each its own"


def test_the_same_number_under_another_kernel_is_another_namespace() -> None:
    host, _box, guest = row("user", ON_HOST, BOXED, IN_GUEST).cells
    assert host.number == guest.number
    assert host.shape != guest.shape
    assert guest.text == "its own (same number, other kernel)"
    assert "under another running kernel: a different namespace" in host.status


def test_who_shares_is_said_by_name() -> None:
    mixed = row("user", ON_HOST, BOXED, IN_GUEST)
    assert mixed.summary == "host and box share one"
    assert mixed.cells[0].status.startswith("user:[105]: host and box share it.")


def test_a_kind_that_the_kernel_does_not_report_is_not_shared_with_anyone() -> None:
    old = replace(IN_GUEST, ids={"pid": 101})
    cells = row("time", old, replace(old, place="vm2")).cells
    assert [cell.text for cell in cells] == ["not reported", "not reported"]
    assert [cell.shape for cell in cells] == [-1, -1]


def test_a_table_of_no_places_is_refused() -> None:
    with pytest.raises(BadRequest, match="places"):
        namespaces()


def test_equal_lines_get_equal_shapes_in_order_of_appearance() -> None:
    assert shapes(("a", "b", "a", None)) == (0, 1, 0, 2)


def results(*outputs: str) -> tuple[Result, ...]:
    return tuple(
        Result(("uname",), 0, out, "", 1.0, place) for out, place in zip(outputs, ("host", "box", "vm"), strict=False)
    )


def test_a_twin_marks_what_differs_and_what_does_not() -> None:
    shown = twin(Twin("uname -sr", results("Linux\n6.18\n", "Linux\n6.18\n", "Linux\n6.1\n"), (1,)))
    html = shown._repr_html_()
    assert html.count("≠") == 1 and html.count(">=</th>") == 1
    assert "1 of 2 lines differ" in repr(shown)
    assert html.count("●") == 2 and html.count("■") == 1


def test_a_twin_shows_exit_status_and_errors() -> None:
    failed = (Result(("ls",), 2, "", "no such file", 3.0, "host"), Result(("ls",), 0, "a\n", "", 3.0, "box"))
    html = twin(Twin("ls", failed, (0,)))._repr_html_()
    assert "exit 2 · 3 ms" in html and "no such file" in html and "no such line" in html


def test_output_cannot_put_markup_into_the_page() -> None:
    shown = twin(Twin("<b>", results("<script>alert(1)</script>\n"), ()))._repr_html_()
    assert "<script>" not in shown and "&lt;script&gt;" in shown
    assert element("p", 'a"b', title='"><i>') == '<p title="&quot;&gt;&lt;i&gt;">a&quot;b</p>'


@pytest.mark.parametrize("word", list(VERDICT_SHAPES))
def test_each_verdict_has_a_shape_beside_its_word(word: str) -> None:
    shown = verdict(Verdict("c", "A claim.", word, "because", "threshold", "", ()))
    assert f"{VERDICT_SHAPES[word][0]} {word}" in repr(shown)
    assert VERDICT_SHAPES[word][0] in shown._repr_html_()


def test_a_hint_is_folded_and_only_there_while_a_task_is_not_done() -> None:
    undone = Check("Task", False, "1", "2", "why", "try this")
    shown = checks([undone, replace(undone, passed=True)])
    assert shown._repr_html_().count("<summary>Hint</summary>") == 1
    assert "1 of 2 tasks done" in repr(shown)


class Report:
    host, engine, accelerator, date = HOST, ENGINE, TCG, "2026-03-01T12:30:45+02:00"


def test_the_stamp_names_host_engine_accelerator_and_the_minute_in_utc() -> None:
    assert repr(stamp(Report())) == (
        "Recorded 2026-03-01T10:30Z on Debian GNU/Linux 12, Linux 6.18.1 (x86_64, 2 CPUs), "
        "Docker 20.10.24 (private), guests: QEMU tcg (emulated)"
    )


def test_a_part_that_took_no_part_is_not_named() -> None:
    line = str(recorded(HOST, date="2026-03-01T10:30Z"))
    assert "QEMU" not in line and "Docker" not in line


def test_a_date_without_a_time_stays_as_it_is() -> None:
    assert minute("2026-03-01") == "2026-03-01"


def process(pid: int, ppid: int, name: str) -> Process:
    return Process(pid, ppid, name, name, 1, 1)


GUEST = Guest(
    name="vm",
    process=process(50, 1, "qemu-system-x86"),
    threads=(Thread(50, "qemu-system-x86", 12.0), Thread(51, "CPU 0/TCG", 1500.0)),
    pss_bytes=200 << 20,
    seccomp="filter",
    qemu_version="7.2.1",
    machine="pc-q35-7.2",
    cpu_model="max",
    firmware="qboot",
    accelerator=TCG,
    memory_bytes=256 << 20,
    devices=(),
    boot_ms=1900.0,
    inside_kernel="6.1.0",
    inside_machine="x86_64",
    inside_byte_order="little-endian",
    inside_boot_id="boot-b",
    inside_cpu="QEMU",
    inside_memory_bytes=220 << 20,
    inside_namespaces=INITIAL,
    inside_processes=(process(1, 0, "init"), process(2, 0, "kthreadd"), process(3, 2, "rcu_gp")),
    host=HOST,
)


BELOW = Hypervisor(
    name="vm",
    status="running",
    qemu_version="7.2.1",
    board="pc-q35-7.2",
    cpu_model="max",
    memory_bytes=256 << 20,
    cpus=(VirtualCpu(0, GUEST.threads[1]),),
    address_spaces=(AddressSpace(("cpu-memory-0",), (MemoryRange(0xFFFF0000, 0xFFFFFFFF, "rom", "pc.bios"),)),),
    devices=(),
    pci=(),
    virtio=(),
    blocks=(),
    migration=Migration("none", None, None, None),
    translation=Translation(4 << 20, 256 << 20, 6782, 18.5, 1, 0),
    process=EmulatorProcess(
        process=GUEST.process,
        threads=GUEST.threads,
        cpu_ms=1512.0,
        memory=Footprint(210 << 20, 200 << 20, 0, 200 << 20, 0),
        descriptors=(),
        privileges=Privileges(65534, 65534, CapabilitySets((), (), (), (), ()), "filter", 1, True, (), ()),
        cgroup=None,
    ),
)
VIRTUAL = replace(GUEST, accelerator=Accelerator("kvm", "a guest booted"))
BELOW_VIRTUAL = replace(BELOW, translation=None)


def test_an_emulated_guest_has_nine_layers_from_its_programs_to_the_hardware() -> None:
    above = ["Guest processes", "Init", "Guest kernel"]
    qemu = ["Firmware", "Virtual devices", "QEMU process", "Emulator (TCG)"]
    assert [layer.name for layer in layers_of(GUEST, BELOW)] == [*above, *qemu, "Host kernel", "Hardware"]


def test_a_guest_under_kvm_has_no_emulator() -> None:
    names = [layer.name for layer in layers_of(VIRTUAL, BELOW_VIRTUAL)]
    assert "Emulator (TCG)" not in names and len(names) == 8


def test_kernel_threads_and_init_are_not_counted_as_programs() -> None:
    shell = process(40, 1, "sh")
    seen = replace(GUEST, inside_processes=(*GUEST.inside_processes, shell))
    programs = layers_of(seen, BELOW)[0]
    assert programs.summary == "1 program: sh"
    assert [fact.value for fact in programs.facts if fact.name == "kernel threads"] == ["2"]


def test_every_fact_says_where_it_was_read() -> None:
    assert all(fact.source for layer in layers_of(GUEST, BELOW) for fact in layer.facts)


def test_the_firmware_is_where_the_guests_processor_sees_it() -> None:
    firmware = next(layer for layer in layers_of(GUEST, BELOW) if layer.name == "Firmware")
    assert "64 KiB from 0xffff0000" in [fact.value for fact in firmware.facts]


def test_what_qemu_says_now_is_drawn_not_what_was_asked_for() -> None:
    devices = next(
        layer
        for layer in layers_of(GUEST, replace(BELOW, memory_bytes=128 << 20, board="pc-i440fx-7.2"))
        if layer.name == "Virtual devices"
    )
    assert {"128 MiB", "pc-i440fx-7.2"} <= {fact.value for fact in devices.facts}


def test_only_an_emulated_guest_carries_the_warning() -> None:
    assert EMULATED in [layer.badge for layer in layers_of(GUEST, BELOW)]
    assert EMULATED not in [layer.badge for layer in layers_of(VIRTUAL, BELOW_VIRTUAL)]
    assert any("ioctl(KVM_RUN)" in layer.crossing for layer in layers_of(VIRTUAL, BELOW_VIRTUAL))
