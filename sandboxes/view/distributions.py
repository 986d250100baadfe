"""Two measured distributions, with the ratio of their medians."""

from __future__ import annotations

from html import escape
from math import ceil, floor, log10
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
        f"{r.numerator} = {number(r.ratio)} × {r.denominator} "
        f"(median of {r.n} pairs; {r.confidence:.0%} interval {number(r.low)} to {number(r.high)})."
    )


def measurement_text(m: Measurement) -> str:
    """The same figures in plain text."""
    lines = [m.title, ratio_sentence(m), *(_sample_text(sample) for sample in m.samples)]
    return "\n".join([*lines, f"CPU time that others used just before: {m.busy_before:.0%}"])


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
    figure.update_layout(
        height=330,
        showlegend=False,
        xaxis=_axis([value for sample in m.samples for value in sample.values], m.samples[0].unit),
        yaxis={"range": [1.4, -0.75], "showticklabels": False, "showgrid": False, "fixedrange": True},
        annotations=[_name(sample, place) for place, sample in enumerate(m.samples)],
    )
    return figure


def _axis(values: list[float], unit: str) -> dict[str, Any]:
    least, most = min(values), max(values)
    if least <= 0 or most / least < FAR_APART:
        return {"title": {"text": unit}, "rangemode": "tozero", "separatethousands": True}
    ticks = log_ticks(least, most)
    return {
        "title": {"text": f"{unit}, logarithmic scale"},
        "type": "log",
        "tickvals": ticks,
        "ticktext": [number(tick) for tick in ticks],
        "range": [log10(least / 1.25), log10(most * 1.25)],
    }


def log_ticks(least: float, most: float) -> list[float]:
    """1, 2 and 5 times the powers of ten between `least` and `most`, with one beyond each end."""
    powers = range(floor(log10(least)) - 1, ceil(log10(most)) + 1)
    ticks = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    return [tick for tick in ticks if least / 2.5 <= tick <= most * 2.5]


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
    mark = f'<span style="color:{COLOURS[place]}">{"●◆"[place]}</span>'
    text = f"{mark} <b>{escape(sample.name)}</b>: median {number(median(sample.values))} {sample.unit}, n = {sample.n}"
    return {
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
        "y": place - 0.42,
        "yanchor": "bottom",
        "text": text,
        "showarrow": False,
        "align": "left",
    }
