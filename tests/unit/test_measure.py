"""Paired measurement: order, pairing, interval."""

import random

import pytest

from sandboxes import measure
from sandboxes.errors import BadRequest
from sandboxes.kernel import parse_cpu_times


@pytest.fixture(autouse=True)
def no_settling(monkeypatch):
    monkeypatch.setattr(measure, "SETTLE_S", 0.0)


def test_pairs_are_interleaved_and_swap_who_goes_first():
    order = []

    def quantity(name, value):
        def once():
            order.append(name)
            return value

        return once

    measure.paired("t", ("a", quantity("a", 2.0)), ("b", quantity("b", 1.0)), pairs=4, warmup=2)
    pairs = [tuple(order[i : i + 2]) for i in range(0, len(order), 2)]
    assert len(pairs) == 6
    assert all(set(pair) == {"a", "b"} for pair in pairs)
    assert pairs[2:] == [("a", "b"), ("b", "a"), ("a", "b"), ("b", "a")]


def test_warm_up_pairs_do_not_count():
    values = iter([1000.0, 3.0, 3.0, 3.0])
    seen = measure.paired("t", ("a", lambda: next(values)), ("b", lambda: 1.0), pairs=3, warmup=1)
    assert seen.samples[0].values == (3.0, 3.0, 3.0)
    assert (seen.ratio.ratio, seen.ratio.low, seen.ratio.high) == (3.0, 3.0, 3.0)


def test_a_load_that_hits_both_of_a_pair_cancels_in_the_ratio():
    weights = [1, 5, 2, 9, 1, 7, 3]
    ratio = measure.ratio("a", [4.0 * w for w in weights], "b", [2.0 * w for w in weights])
    assert ratio.ratio == 2.0
    assert ratio.low == ratio.high == 2.0


def test_the_interval_holds_the_median_and_widens_with_fewer_pairs():
    many = [1 + (i * 37 % 100) / 100 for i in range(100)]
    low, high = measure.interval(many)
    low_few, high_few = measure.interval(many[:7])
    assert low < 1.495 < high
    assert high_few - low_few > high - low


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    chance = random.Random(7)
    hits = 0
    for _ in range(60):
        low, high = measure.interval([chance.gauss(10, 1) for _ in range(25)])
        hits += low <= 10 <= high
    assert hits >= 50


def test_a_value_that_is_not_above_zero_cannot_be_a_ratio():
    with pytest.raises(BadRequest):
        measure.ratio("a", [1.0, 0.0], "b", [1.0, 1.0])


@pytest.mark.parametrize("wrong", [0, 2, -1, 1.5, True, "15"])
def test_too_few_pairs_are_refused_before_anything_is_measured(wrong):
    def never():
        raise AssertionError("measured")

    with pytest.raises(BadRequest):
        measure.paired("t", ("a", never), ("b", never), pairs=wrong)


def test_cpu_times_are_summed_and_waiting_for_disks_counts_as_idle():
    stat = "cpu  10 20 30 400 50 6 7 8 9 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n"
    assert parse_cpu_times(stat) == (10 + 20 + 30 + 400 + 50 + 6 + 7 + 8, 450)
