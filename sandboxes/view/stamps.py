"""One line: the machine, the engine and the accelerator that the page's outputs come from."""

from __future__ import annotations

from typing import Protocol

from sandboxes.model import Accelerator, Engine, Host
from sandboxes.view.markup import Shown, element
from sandboxes.view.recorded import recorded


class Report(Protocol):
    """What was found on this machine, and when (`date`, ISO 8601)."""

    @property
    def host(self) -> Host: ...
    @property
    def engine(self) -> Engine | None: ...
    @property
    def accelerator(self) -> Accelerator | None: ...
    @property
    def date(self) -> str: ...


def stamp(report: Report) -> Shown:
    """Says on what everything below was recorded. Run live, it names the reader's own machine."""
    line = str(recorded(report.host, report.engine, report.accelerator, report.date))
    return Shown(element("p", line, class_="bnd bnd-stamp"), line)
