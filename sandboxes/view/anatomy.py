"""The layers of a running guest, drawn as a stack that opens."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import anywidget
import traitlets

from sandboxes.model import Guest, Hypervisor
from sandboxes.view.assets import script, stylesheet
from sandboxes.view.recorded import recorded
from sandboxes.view.stack import layers_of


class LayerStack(anywidget.AnyWidget):
    """What lies between a guest's process and the hardware, as it was when the facts were read."""

    _esm = script("anatomy")
    _css = stylesheet("base") + stylesheet("anatomy")
    layers: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    caption = traitlets.Unicode().tag(sync=True)
    provenance = traitlets.Unicode().tag(sync=True)


def layers(guest: Guest, below: Hypervisor) -> LayerStack:
    """Draws one guest from its facts() and its hypervisor(); nothing is read again."""
    return LayerStack(
        layers=[asdict(layer) for layer in layers_of(guest, below)],
        caption=f"The layers of the running guest {guest.name}, from its processes down to the hardware. "
        "Press a layer to see its facts and where each was read.",
        provenance=str(recorded(guest.host, accelerator=guest.accelerator)),
    )
