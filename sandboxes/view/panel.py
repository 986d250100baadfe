"""The panel of limits: sliders and live series of one running container's cgroup."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
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
from sandboxes.view.steps import Step, checked, limits_text
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
    version = traitlets.Unicode().tag(sync=True)
    files = traitlets.Dict().tag(sync=True)
    ranges = traitlets.Dict().tag(sync=True)
    caption = traitlets.Unicode().tag(sync=True)
    provenance = traitlets.Unicode().tag(sync=True)

    def __init__(self, box: Box) -> None:
        facts, counted = box.facts(), box.sample()
        self._box, self._work = box, Work(box)
        self._history, self._lock = History(SHOWN_S, PER_SECOND), RLock()
        self._seen_s, self._stop = 0.0, Event()
        self._playing = False
        self._reader: Thread | None = None
        super().__init__(
            _esm=uplot("uPlot.iife.min.js") + "\n" + script("panel"),
            _css=stylesheet("base") + uplot("uPlot.min.css") + stylesheet("panel"),
            name=box.name,
            ranges={"cpus": [0.05, float(facts.host.cpus)], "memory_mib": [16, 256], "block_mib": BLOCK_MIB},
            version=counted.version,
            files=dict(counted.files),
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
        began, self._playing = time.monotonic(), True
        try:
            for tick in range(int(seconds * PER_SECOND) + 1):
                while due and due[0][0] <= tick / PER_SECOND:
                    self._do(due.pop(0)[1])
                self._read()
                time.sleep(max(0.0, began + (tick + 1) / PER_SECOND - time.monotonic()))
        finally:
            self._playing = False
            self._do("stop")
        return self

    def close(self) -> None:
        """Ends the reading and everything that the panel started in the container."""
        self._stop.set()
        self._work.do("stop")
        super().close()

    def _on_message(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        self._seen_s = time.monotonic()
        if message == {"do": "here"}:
            return self._read_in_background()
        self.problem = ""
        try:
            self._obey(message)
        except SandboxGone as error:
            self.ended = error.what
        except SandboxError as error:
            self.problem = str(error)
        return None

    def _obey(self, message: dict[str, Any]) -> None:
        match message:
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

    def _do(self, action: str | Mapping[str, Any]) -> None:
        if not isinstance(action, str):
            self._box.limit(**action)
            self._tell([limits_text(action)])
        elif action != "stop" or self._work.running():
            self._tell([self._work.plan(action)])
            self._work.do(action)
        self.working = self._work.running()

    def _read(self) -> None:
        sample = self._box.sample()
        with self._lock:
            said = self._history.add(sample)
            self.series = self._history.columns()
        self._tell(said)

    def _tell(self, texts: list[str]) -> None:
        if texts:
            at = datetime.now().strftime("%H:%M:%S")
            with self._lock:
                self.events = [*self.events, *({"at": at, "text": text} for text in texts)][-EVENTS:]

    def _read_in_background(self) -> None:
        if self.ended or (self._reader and self._reader.is_alive()):
            return
        self._reader = Thread(target=self._keep_reading, name=f"limits-{self.name}", daemon=True)
        self._reader.start()

    def _keep_reading(self) -> None:
        while not self._stop.wait(1 / PER_SECOND) and time.monotonic() - self._seen_s < UNSEEN_S:
            try:
                if not self._playing:
                    self._read()
            except SandboxGone as error:
                self.ended = error.what
                return
            except (SandboxError, OSError) as error:
                self.problem = str(error)
                return


def limits(box: Box) -> LimitsPanel:
    """A panel on a running container. Give the page something to show without a kernel with `.play(...)`."""
    return LimitsPanel(box)
