"""Two measured distributions, with the ratio of their medians."""

from __future__ import annotations

from statistics import median
from typing import Any

import plotly.graph_objects as go  # type: ignore[import-untyped]

from sandboxes.model import Measurement, Sample
from sandboxes.view.figures import Figure
from sandboxes.view.markup import Markup, as_text, element
from sandboxes.view.recorded import recorded

COLOURS, SYMBOLS = ("#0072b2", "#d55e00"), ("circle", "diamond")
FAR_APART = 8.0
"""From this ratio between largest and smallest value on, the axis is logarithmic."""


def measurement(m: Measurement) -> Figure:
    """Every single value, quartiles and median of both quantities; the ratio with its interval in words."""
    text = measurement_text(m)
    sentence = ratio_sentence(m)
    before = element("p", element("strong", m.title), Markup("<br>"), sentence, class_="bnd-caption")
    caption = (
        "Each mark is one measured value; the box spans the middle half, its line is the median. Further left is less."
    )
    after = Markup(
        element("p", caption, class_="bnd-caption")
        + as_text(text)
        + element("p", str(recorded(m.host, m.engine, m.accelerator, m.date)), class_="bnd-prov")
    )
    return Figure(_figure(m), label=f"{m.title}. {sentence}", before=before, after=after, text=text)


def ratio_sentence(m: Measurement) -> str:
    """What was found, with the interval and the number of pairs."""
    r = m.ratio
    return (
        f"{r.numerator} / {r.denominator} = {r.ratio:.3g} "
        f"(median of {r.n} pairs; {r.confidence:.0%} interval {r.low:.3g} to {r.high:.3g})."
    )


def measurement_text(m: Measurement) -> str:
    """The same figures in plain text."""
    lines = [m.title, ratio_sentence(m), *(_sample_text(sample) for sample in m.samples)]
    return "\n".join([*lines, f"load of the host (1 minute): {m.load1[0]:.2f} before, {m.load1[1]:.2f} after"])


def number(value: float) -> str:
    """Three significant digits, no exponent for everyday sizes."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _sample_text(sample: Sample) -> str:
    values = sorted(sample.values)
    return (
        f"{sample.name}: median {number(median(values))} {sample.unit}, "
        f"from {number(values[0])} to {number(values[-1])} (n = {sample.n})"
    )


def _figure(m: Measurement) -> go.Figure:
    figure = go.Figure([_box(sample, place) for place, sample in enumerate(m.samples)])
    values = [value for sample in m.samples for value in sample.values]
    far = min(values) > 0 and max(values) / min(values) >= FAR_APART
    unit = m.samples[0].unit
    figure.update_layout(
        height=320,
        showlegend=False,
        xaxis={"title": f"{unit} (logarithmic scale)" if far else unit, "type": "log" if far else "linear"},
        yaxis={"range": [1.75, -0.65], "showticklabels": False, "showgrid": False, "fixedrange": True},
        annotations=[_name(sample, place) for place, sample in enumerate(m.samples)],
    )
    if far:
        figure.update_xaxes(dtick=1, minor={"ticks": "outside", "showgrid": False})
    else:
        figure.update_xaxes(rangemode="tozero")
    return figure


def _box(sample: Sample, place: int) -> go.Box:
    return go.Box(
        x=sample.values,
        y0=place,
        name=sample.name,
        orientation="h",
        boxpoints="all",
        jitter=0.6,
        pointpos=-1.4,
        width=0.34,
        line={"color": COLOURS[place], "width": 2},
        fillcolor="rgba(128,128,128,0.15)",
        marker={"color": COLOURS[place], "symbol": SYMBOLS[place], "size": 8, "opacity": 0.8},
        hovertemplate=f"%{{x:.4g}} {sample.unit}<extra></extra>",
    )


def _name(sample: Sample, place: int) -> dict[str, Any]:
    mark = "●◆"[place]
    text = f"<b>{mark} {sample.name}</b>: median {number(median(sample.values))} {sample.unit}, n = {sample.n}"
    return {
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
        "y": place - 0.42,
        "text": text,
        "showarrow": False,
        "align": "left",
    }
