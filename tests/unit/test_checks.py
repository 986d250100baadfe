"""Checks never raise, and a hint is for those who need one."""

import types

import pytest

from sandboxes.checks import check
from sandboxes.errors import BadRequest
from sandboxes.model import Check


def good(box):
    """The box is good"""
    return Check("The box is good", True, "good", "good", "", "a hint nobody needs")


def bad(box):
    """The box is bad"""
    return Check("The box is bad", False, "bad", "good", "", "try harder")


def broken(box):
    """The box can be looked at"""
    raise RuntimeError("out of order")


def test_each_check_is_run_in_order_and_a_broken_one_hides_no_other():
    seen = check([good, broken, bad], object())
    assert [(c.task, c.passed) for c in seen] == [
        ("The box is good", True),
        ("The box can be looked at", False),
        ("The box is bad", False),
    ]
    assert "out of order" in seen[1].observed


def test_a_passed_check_shows_no_hint_and_a_failed_one_does():
    seen = check([good, bad], object())
    assert [c.hint for c in seen] == ["", "try harder"]


def test_a_module_without_checks_is_refused():
    with pytest.raises(BadRequest):
        check(types.ModuleType("empty"))
