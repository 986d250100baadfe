"""Measurements -> figures that carry no library and send nothing anywhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sandboxes.model import Measurement, Ratio, Sample
from sandboxes.view import figures, measurement
from sandboxes.view.distributions import log_ticks, measurement_text, ratio_sentence
from tests.unit.test_view_tables import ENGINE, HOST

NEAR = Measurement(
    "Start <time>",
    (Sample("container", "ms", (100.0, 110.0, 120.0)), Sample("guest & co", "ms", (200.0, 210.0, 220.0))),
    Ratio("guest", "container", 1.9, 1.8, 2.1, 3, 0.95),
    0.1,
    HOST,
    ENGINE,
    None,
    "2026-03-01T10:30:00+00:00",
)
FAR = replace(NEAR, samples=(NEAR.samples[0], Sample("guest", "ms", (2000.0, 2100.0))))


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    bundles: list[dict[str, Any]] = []
    monkeypatch.setattr(figures, "publish_display_data", bundles.append)
    return bundles


def test_a_figure_does_not_carry_the_library(published: list[dict[str, Any]]) -> None:
    measurement(NEAR)._ipython_display_()
    page = "".join(bundle["text/html"] for bundle in published)
    assert len(page) < 60_000
    assert "Plotly.newPlot" in page and "cdn" not in page.lower()


def test_a_figure_offers_nothing_that_leaves_the_page(published: list[dict[str, Any]]) -> None:
    measurement(NEAR)._ipython_display_()
    config = published[1]["application/vnd.plotly.v1+json"]["config"]
    assert config["showSendToCloud"] is False
    assert config["displaylogo"] is False


def test_a_figure_has_a_label_a_text_twin_and_its_machine(published: list[dict[str, Any]]) -> None:
    measurement(NEAR)._ipython_display_()
    page = "".join(bundle["text/html"] for bundle in published)
    assert 'aria-label="Start &lt;time&gt;. guest = 1.9 × container' in page
    assert "as text" in page and "Docker 20.10.24 (private)" in page and "2026-03-01T10:30Z" in page
    assert "<time>" not in page


def test_the_ratio_is_said_with_interval_and_number_of_pairs() -> None:
    assert ratio_sentence(NEAR) == "guest = 1.9 × container (median of 3 pairs; 95% interval 1.8 to 2.1)."


def test_the_text_twin_has_each_median() -> None:
    text = measurement_text(NEAR)
    assert "container: median 110 ms, from 100 to 120 (n = 3)" in text
    assert "guest & co: median 210 ms" in text


def test_values_far_apart_get_a_logarithmic_axis_that_says_so() -> None:
    assert measurement(NEAR).figure.layout.xaxis.type is None
    axis = measurement(FAR).figure.layout.xaxis
    assert axis.type == "log" and "logarithmic" in axis.title.text


def test_ticks_of_a_logarithmic_axis_are_round() -> None:
    assert log_ticks(130, 2300) == [100, 200, 500, 1000, 2000, 5000]


def test_the_two_quantities_differ_in_shape_and_colour() -> None:
    first, second = measurement(NEAR).figure.data
    assert first.marker.symbol != second.marker.symbol
    assert first.marker.color != second.marker.color
