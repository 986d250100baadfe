"""The table of namespaces: eight kinds down, places across."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Protocol

import anywidget
import traitlets

from sandboxes.errors import BadRequest
from sandboxes.model import Container, Guest, Host, Namespaces
from sandboxes.view.assets import script, stylesheet
from sandboxes.view.recorded import Recorded, recorded
from sandboxes.view.sharing import rows


class Observed(Protocol):
    """A place that says which namespaces it is in and on which machine."""

    @property
    def name(self) -> str: ...
    def namespaces(self) -> Namespaces: ...
    def facts(self) -> Host | Container | Guest: ...


class NamespaceTable(anywidget.AnyWidget):
    """Which place is in which namespace, as read when the table was made."""

    _esm = script("matrix")
    _css = stylesheet("base") + stylesheet("matrix")
    places: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    rows: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    caption = traitlets.Unicode().tag(sync=True)
    provenance = traitlets.Unicode().tag(sync=True)


def namespaces(*places: Observed) -> NamespaceTable:
    """Reads /proc/PID/ns of every place once and draws who shares what. Raises BadRequest without a place."""
    if not places:
        raise BadRequest("places", "none was given.", seen="()", remedy="view.namespaces(host, box)")
    seen = [place.namespaces() for place in places]
    return NamespaceTable(
        places=[{"name": one.place, "kind": one.kind, "process": one.process, "pid": one.pid} for one in seen],
        rows=[asdict(row) for row in rows(seen)],
        caption="Namespaces of one process of each place. Same shape in a row: the same namespace. "
        "Press a number to hear who shares it.",
        provenance=str(_recorded([place.facts() for place in places])),
    )


def _recorded(facts: list[Host | Container | Guest]) -> Recorded:
    host = facts[0] if isinstance(facts[0], Host) else facts[0].host
    engine = next((fact.engine for fact in facts if isinstance(fact, Container)), None)
    accelerator = next((fact.accelerator for fact in facts if isinstance(fact, Guest)), None)
    return recorded(host, engine, accelerator)
