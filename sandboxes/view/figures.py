"""Plotly without its 5 MB: figures use the Plotly that the page (or JupyterLab) has already loaded."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go  # type: ignore[import-untyped]
import plotly.io as pio  # type: ignore[import-untyped]
from IPython.display import publish_display_data
from plotly.io.base_renderers import MimetypeRenderer, PlotlyRenderer  # type: ignore[import-untyped]

from sandboxes.view.assets import stylesheet
from sandboxes.view.markup import Markup, element

CONFIG = {
    "displaylogo": False,
    "showSendToCloud": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
}
"""Nothing leaves the page: no logo, no button that sends the chart to a server."""

INK = "#767676"
"""Readable on white and on black; on the book's pages the stylesheet puts the text's own colour in its place."""


class BookRenderer(MimetypeRenderer):  # type: ignore[misc] # plotly has no types
    """A figure as a small piece of HTML without the library."""

    def to_mimebundle(self, fig_dict: dict[str, Any]) -> dict[str, str]:
        return {"text/html": figure_html(fig_dict, "figure")}


def figure_html(figure: go.Figure | dict[str, Any], label: str) -> Markup:
    """The figure's HTML; it draws itself with the page's `Plotly`."""
    drawn = pio.to_html(
        figure,
        config=CONFIG,
        include_plotlyjs=False,
        include_mathjax=False,
        full_html=False,
        default_width="100%",
        default_height=_height(figure),
        validate=False,
    )
    style = element("style", Markup(stylesheet("base") + stylesheet("figures")))
    return Markup(style + element("div", Markup(drawn), class_="bnd bnd-plot", role="group", aria_label=label))


class Figure:
    """A plotly figure between its heading and its caption, text twin and provenance.

    In a page all of it is one piece of HTML; JupyterLab draws the figure itself and shows the texts around it.
    """

    def __init__(self, figure: go.Figure, *, label: str, before: Markup, after: Markup, text: str) -> None:
        self.figure, self._label, self._before, self._after, self._text = figure, label, before, after, text

    def _ipython_display_(self) -> None:
        publish_display_data({"text/html": self._block(self._before), "text/plain": self._text})  # type: ignore[no-untyped-call]
        publish_display_data(self._bundle())  # type: ignore[no-untyped-call]
        publish_display_data({"text/html": self._block(self._after), "text/plain": ""})  # type: ignore[no-untyped-call]

    def _bundle(self) -> dict[str, Any]:
        mime: dict[str, Any] = PlotlyRenderer(config=CONFIG).to_mimebundle(self.figure.to_plotly_json())
        return {**mime, "text/html": figure_html(self.figure, self._label), "text/plain": self._label}

    def _block(self, body: Markup) -> str:
        return element("style", Markup(stylesheet("base"))) + element("div", body, class_="bnd bnd-beside")

    def __repr__(self) -> str:
        return self._text


def _height(figure: go.Figure | dict[str, Any]) -> int:
    layout = figure.layout if isinstance(figure, go.Figure) else figure.get("layout", {})
    return int(layout["height"] or 360) if "height" in layout else 360


def _template() -> go.layout.Template:
    grid = {
        "gridcolor": "rgba(128,128,128,0.3)",
        "linecolor": INK,
        "zeroline": False,
        "automargin": True,
        "title": {"font": {"size": 14}},
    }
    return go.layout.Template(
        layout={
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": INK, "size": 14, "family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"},
            "colorway": ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"],
            "xaxis": grid,
            "yaxis": grid,
            "margin": {"l": 16, "r": 16, "t": 12, "b": 48},
        }
    )


pio.templates["book"] = _template()
pio.templates.default = "book"
pio.renderers["book"] = BookRenderer()
pio.renderers["plotly_mimetype"].config = CONFIG
pio.renderers.default = "plotly_mimetype+book"
