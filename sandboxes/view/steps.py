"""A script for the limits panel: what happens when, checked before it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sandboxes.errors import BadRequest
from sandboxes.request import number, one_of, size_bytes

WORDS = ("load", "stop", "allocate")
"""Start a CPU load; end everything that was started; ask for a further block of memory."""
LIMITS = ("cpus", "memory")

Step = tuple[float, str | Mapping[str, float | int | str]]
"""(seconds from the start, a word or new limits), as in (2.0, {"cpus": 0.25})."""


def checked(steps: Sequence[Step], seconds: float) -> list[Step]:
    """The steps in order of time. Raises BadRequest for what can never work."""
    return sorted((_checked(step, seconds) for step in steps), key=lambda step: step[0])


def _checked(step: Step, seconds: float) -> Step:
    if not isinstance(step, tuple) or len(step) != 2:
        raise BadRequest("steps", "holds no (seconds, action).", seen=repr(step)[:120], remedy='such as (2, "load")')
    at_s, action = step
    number("steps", at_s, least=0, most=seconds)
    if not isinstance(action, Mapping):
        return at_s, one_of("steps", action, WORDS)
    for key, value in action.items():
        one_of("steps", key, LIMITS)
        if key == "cpus":
            number("steps", value, least=0.01, most=1024)  # type: ignore[arg-type] # refuses what is no number
        else:
            size_bytes("steps", value, least=1 << 20, most=1 << 50)  # type: ignore[arg-type] # as above
    return at_s, action


def limits_text(limits: Mapping[str, float | int | str]) -> str:
    """What was set, as a sentence."""
    parts = []
    if "cpus" in limits:
        parts.append(f"CPU quota set to {limits['cpus']:g} cores")
    if "memory" in limits:
        size = size_bytes("memory", limits["memory"], least=0, most=1 << 62)  # type: ignore[arg-type] # as above
        parts.append(f"memory limit set to {size / (1 << 20):g} MiB")
    text = ", ".join(parts)
    return text[:1].upper() + text[1:] + "."
