"""The panel of limits: sliders and live series of one running container's cgroup."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from threading import Event, RLock, Thread
from typing import Any

import anywidget
import traitlets

from sandboxes.errors import BadRequest, SandboxError, SandboxGone
from sandboxes.request import number, size_bytes
from sandboxes.view.assets import script, stylesheet, uplot
from sandboxes.view.history import MIB, History
from sandboxes.view.recorded import recorded
from sandboxes.view.steps import Step, checked
from sandboxes.view.work import BLOCK_MIB, Box, Work

PER_SECOND = 5.0
SHOWN_S = 60.0
EVENTS = 40
UNSEEN_S = 150.0
"""Reading stops when no browser has shown the panel for so long (a hidden tab may report once a minute only)."""


class LimitsPanel(anywidget.AnyWidget):
    """Reads the cgroup five times a second while a browser shows it, and obeys its sliders and buttons."""

    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)
    name = traitlets.Unicode().tag(sync=True)
    series = traitlets.Dict().tag(sync=True)
    events: traitlets.List[dict[str, str]] = traitlets.List().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    ended = traitlets.Unicode().tag(sync=True)
    working = traitlets.Bool(False).tag(sync=True)
    source = traitlets.Unicode().tag(sync=True)
    ranges = traitlets.Dict().tag(sync=True)
    caption = traitlets.Unicode().tag(sync=True)
    provenance = traitlets.Unicode().tag(sync=True)

    def __init__(self, box: Box) -> None:
        facts = box.facts()
        self._box, self._work = box, Work(box)
        self._history, self._lock = History(SHOWN_S, PER_SECOND), RLock()
        self._seen_s, self._stop = 0.0, Event()
        self._reader: Thread | None = None
        super().__init__(
            _esm=uplot("uPlot.iife.min.js") + "\n" + script("panel"),
            _css=stylesheet("base") + uplot("uPlot.min.css") + stylesheet("panel"),
            name=box.name,
            ranges={"cpus": [0.05, float(facts.host.cpus)], "memory_mib": [16, 256], "block_mib": BLOCK_MIB},
            source=f"cgroup {facts.cgroup.version}: "
            + (next(iter(facts.cgroup.files.values()), "") or "no file named"),
            caption="CPU time and memory of this container, read from its cgroup's files five times a second. "
            "Dashed lines are the limits in force.",
            provenance=str(recorded(facts.host, facts.engine)),
        )
        self._read()
        self.on_msg(self._on_message)

    def play(self, steps: Sequence[Step], *, seconds: float) -> LimitsPanel:
        """Plays `steps` and reads for `seconds`; afterwards the panel shows what happened, also without a kernel.

        A step is (seconds from the start, action): "load", "stop", "allocate", or limits as in {"cpus": 0.25} and
        {"memory": "64M"}. Everything that a step started has been ended afterwards; limits stay as they are.
        Raises BadRequest for an unknown step, and what the container raises.
        """
        due = checked(steps, number("seconds", seconds, least=0.2, most=SHOWN_S))
        began = time.monotonic()
        try:
            for tick in range(int(seconds * PER_SECOND) + 1):
                while due and due[0][0] <= tick / PER_SECOND:
                    self._do(due.pop(0)[1])
                self._read()
                time.sleep(max(0.0, began + (tick + 1) / PER_SECOND - time.monotonic()))
        finally:
            self._do("stop")
        return self

    def close(self) -> None:
        """Ends the reading and everything that the panel started in the container."""
        self._stop.set()
        with self._lock:
            self._work.stop()
        super().close()

    def _on_message(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        self._seen_s = time.monotonic()
        try:
            self._obey(message)
            self.problem = ""
        except SandboxGone as error:
            self._end(error)
        except SandboxError as error:
            self.problem = str(error)

    def _obey(self, message: dict[str, Any]) -> None:
        match message:
            case {"do": "here"}:
                self._read_in_background()
            case {"do": "cpus", "value": value}:
                least, most = self.ranges["cpus"]
                self._do({"cpus": number("cpus", value, least=least, most=most)})
            case {"do": "memory", "value": value}:
                least, most = self.ranges["memory_mib"]
                self._do({"memory": size_bytes("memory", f"{value}M", least=least * MIB, most=most * MIB)})
            case {"do": "load" | "stop" | "allocate" as word}:
                self._do(word)
            case _:
                raise BadRequest(
                    "message", "is not known.", seen=repr(message)[:120], remedy="use the panel's controls"
                )

    def _do(self, action: str | Any) -> None:
        with self._lock:
            if not isinstance(action, str):
                self._box.limit(**action)
                said = self._limits_text(**action)
            elif action == "load":
                said = self._work.load()
            elif action == "allocate":
                said = self._work.allocate()
            else:
                said = self._work.stop()
            self._tell([said] if said else [])
            self.working = self._work.running()

    def _limits_text(self, cpus: float | None = None, memory: str | int | None = None) -> str:
        parts = [f"CPU quota set to {cpus:g} cores"] if cpus is not None else []
        if memory is not None:
            size = size_bytes("memory", memory, least=0, most=1 << 62)
            parts.append(f"memory limit set to {size / MIB:g} MiB")
        text = ", ".join(parts)
        return text[:1].upper() + text[1:] + "." if text else ""

    def _read(self) -> None:
        with self._lock:
            said = self._history.add(self._box.sample())
            self.series = self._history.columns()
            self._tell(said)
            self.working = self._work.running()

    def _tell(self, texts: list[str]) -> None:
        if texts:
            at = datetime.now().strftime("%H:%M:%S")
            self.events = [*self.events, *({"at": at, "text": text} for text in texts)][-EVENTS:]

    def _read_in_background(self) -> None:
        if self.ended or (self._reader and self._reader.is_alive()):
            return
        self._history.gap()
        self._reader = Thread(target=self._keep_reading, name=f"limits-{self.name}", daemon=True)
        self._reader.start()

    def _keep_reading(self) -> None:
        while not self._stop.wait(1 / PER_SECOND) and time.monotonic() - self._seen_s < UNSEEN_S:
            try:
                self._read()
            except SandboxGone as error:
                return self._end(error)
            except (SandboxError, OSError) as error:
                self.problem = str(error)
                return None
        return None

    def _end(self, error: SandboxGone) -> None:
        self.ended = error.what


def limits(box: Box) -> LimitsPanel:
    """A panel on a running container. Give the page something to show without a kernel with `.play(...)`."""
    return LimitsPanel(box)
