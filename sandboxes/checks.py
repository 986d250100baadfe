"""Checks of a lab: functions that look at the real sandbox and say what they saw. They never raise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType

from sandboxes.errors import BadRequest
from sandboxes.model import Check

Look = Callable[..., Check]


def check(lab: ModuleType | Sequence[Look], *sandboxes: object, **named: object) -> list[Check]:
    """Run each check of a lab on the learner's sandboxes, in order, and return what each saw.

    `lab` is a module with a list CHECKS, or that list. A check that breaks counts as failed and says how it broke:
    one broken check does not hide the others. Raises BadRequest when there is nothing to run. Source: each check's own.
    """
    looks = getattr(lab, "CHECKS", None) if isinstance(lab, ModuleType) else lab
    if not looks:
        raise BadRequest("lab", "has no checks.", seen=repr(lab)[:80], remedy="pass the lab's `checks` module")
    return [_guarded(look, sandboxes, named) for look in looks]


def _guarded(look: Look, sandboxes: tuple[object, ...], named: dict[str, object]) -> Check:
    try:
        found = look(*sandboxes, **named)
    except Exception as error:  # a check must not take the page down with it
        task = (look.__doc__ or look.__name__).strip().splitlines()[0]
        return Check(task, False, f"{type(error).__name__}: {error}", "the check can look at your sandbox", "", "")
    return replace(found, hint="") if found.passed else found
