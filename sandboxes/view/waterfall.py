"""Boots and shutdowns as bars along one clock: what follows what, what lies beside it, and how long each takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sandboxes.model import EMULATED, Boot, Shutdown, Stage
from sandboxes.view.assets import stylesheet
from sandboxes.view.markup import Markup, Shown, as_text, element, join, scrolling
from sandboxes.view.recorded import recorded, recorded_here

SHOWN_INITCALLS = 5
STARTS = {
    "cold": "Tuned boot",
    "stock": "Boot as plain QEMU does it",
    "template": "From a template, without a boot",
}
WORKERS = {
    "QEMU process": 0,
    "state restored": 0,
    "firmware": 3,
    "kernel, before its clock runs": 1,
    "kernel": 1,
    "initramfs": 1,
    "init waits, the kernel switches off": 1,
    "quit": 0,
    "SIGKILL": 0,
}
"""Who is at work in a stage, as the number of a colour: host, firmware or kernel; else the guest's programs."""
PROGRAMS = 2


@dataclass(frozen=True)
class Row:
    """A bar. A `part` of the stage above it is thinner and set in."""

    name: str
    begin_ms: float
    duration_ms: float
    colour: int
    part: bool = False


@dataclass(frozen=True)
class Course:
    """All bars of one boot or shutdown."""

    title: str
    total_ms: float
    rows: tuple[Row, ...]


def waterfall(*seen: Boot | Shutdown) -> Shown:
    """One block for each boot or shutdown, all along the same clock, which begins when QEMU is started or asked to end.

    Nothing is measured here. Under a traced boot's kernel are those of its initcalls that took longest.
    """
    courses = [_course(one) for one in seen]
    span_ms = max((course.total_ms for course in courses), default=0.0) or 1.0
    text = "\n".join(line for course in courses for line in _text(course))
    body = element(
        "figure",
        scrolling("Stages along one clock", *(_block(course, span_ms) for course in courses)),
        element("figcaption", _caption(seen)),
        as_text(text),
        element("p", _provenance(seen), class_="bnd-prov"),
        class_="bnd bnd-waterfall",
        aria_label="Waterfall of " + "; ".join(f"{course.title}: {course.total_ms:,.0f} ms" for course in courses),
    )
    return Shown(join(element("style", Markup(stylesheet("waterfall"))), body), text)


def _course(seen: Boot | Shutdown) -> Course:
    if isinstance(seen, Shutdown):
        return Course(f"Shutdown by {seen.how}", seen.total_ms, tuple(_row(stage) for stage in seen.stages))
    title = f"{STARTS.get(seen.started, seen.started)} ({seen.guest})"
    return Course(title, seen.total_ms, tuple(_boot_rows(seen)))


def _boot_rows(boot: Boot) -> Iterator[Row]:
    """Parts of the kernel's work come after it, in the order in which they begin."""
    parts = [_row(stage, part=True) for stage in boot.stages if stage.name == "initramfs"]
    parts += [
        Row(f"{one.name}()", one.begin_ms, one.duration_ms, 1, part=True) for one in boot.slowest(SHOWN_INITCALLS)
    ]
    for stage in boot.stages:
        if stage.name != "initramfs":
            yield _row(stage)
        if stage.name == "kernel":
            yield from sorted(parts, key=lambda part: part.begin_ms)


def _row(stage: Stage, *, part: bool = False) -> Row:
    return Row(stage.name, stage.begin_ms, stage.duration_ms, WORKERS.get(stage.name, PROGRAMS), part)


def _block(course: Course, span_ms: float) -> Markup:
    head = element("p", element("strong", course.title), f": {course.total_ms:,.0f} ms", class_="bnd-course")
    rows = (_bar(row, span_ms) for row in course.rows)
    return element("section", head, element("ol", *rows), aria_label=course.title)


def _bar(row: Row, span_ms: float) -> Markup:
    left, width = 100 * row.begin_ms / span_ms, max(0.35, 100 * row.duration_ms / span_ms)
    bar = element("i", class_="bnd-bar", style=f"left:{min(left, 99.65):.2f}%;width:{min(width, 100 - left):.2f}%")
    return element(
        "li",
        element("span", row.name, class_="bnd-stage"),
        element("span", bar, class_="bnd-track", aria_hidden="true"),
        element("span", _ms(row.duration_ms), class_="bnd-ms"),
        class_=f"bnd-shape-{row.colour}{' bnd-part' if row.part else ''}",
    )


def _ms(duration_ms: float) -> str:
    return f"{duration_ms:,.0f} ms" if duration_ms >= 10 else f"{duration_ms:.1f} ms"


def _caption(seen: tuple[Boot | Shutdown, ...]) -> Markup:
    begins = "QEMU is started" if any(isinstance(one, Boot) for one in seen) else "the power button is pressed"
    said = f"Time runs from left to right and begins when {begins}; all bars have the same scale. "
    if any(isinstance(one, Boot) and one.initcalls for one in seen):
        said += "Thin bars are parts of the kernel's work: its slowest initcalls, and the files that it unpacks. "
    emulated = any(isinstance(one, Boot) and one.accelerator.emulated for one in seen)
    return join(said, element("strong", f"⚠\N{NO-BREAK SPACE}{EMULATED}") if emulated else "")


def _provenance(seen: tuple[Boot | Shutdown, ...]) -> str:
    boots = [one for one in seen if isinstance(one, Boot)]
    return str(recorded(boots[0].host, accelerator=boots[0].accelerator) if boots else recorded_here())


def _text(course: Course) -> Iterator[str]:
    yield f"{course.title}: {course.total_ms:,.0f} ms"
    for row in course.rows:
        set_in = "    " if row.part else "  "
        yield f"{set_in}{row.name}: from {row.begin_ms:,.0f} ms, takes {_ms(row.duration_ms)}"
