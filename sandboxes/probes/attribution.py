"""What an answer means: worked out from the kernel's word and from who asked, never from the name of a place."""

from __future__ import annotations

import errno
import os
import re

from sandboxes.model import NAMESPACE_KINDS, ProbeAnswer
from sandboxes.probes.barriers import CHECKS, Case, capability, masked_path, namespace, own_kernel

_WORD = re.compile(r"\d+|hidden|E[A-Z0-9]{2,}")

_ORDER: dict[str, tuple[str, ...]] = {
    "EPERM": ("capability", "user namespace", "device cgroup", "seccomp", "not built in"),
    "EACCES": ("mount option", "capability", "user namespace", "file permission", "read-only mount"),
    "EROFS": ("read-only mount",),
    "EINVAL": ("user namespace",),
    "ENOSYS": ("not built in", "seccomp"),
    **dict.fromkeys(("ENOENT", "ENXIO", "ENODEV", "ENOTDIR"), ("masked path", "missing device", "missing file")),
    **dict.fromkeys(
        ("hidden", "ECONNREFUSED", "ESRCH"),
        ("own kernel", "namespace", "no new privileges", "capability", "user namespace", "file permission"),
    ),
    **dict.fromkeys(("ENETUNREACH", "EHOSTUNREACH"), ("no route",)),
    **dict.fromkeys(("EAGAIN", "ENOMEM", "EMFILE", "ENFILE", "ENOSPC", "EDQUOT", "EUSERS"), ("limit",)),
}
"""Which barriers can be behind a word, in the order in which they are looked at."""


def decide(case: Case) -> ProbeAnswer:
    """The answer with its reasons.

    EPERM alone does not tell a missing capability from a filter: where the capability is missing, that is the reason
    given, and a filter that is on as well is in `also`; where none is missing, only the filter is left.
    """
    if not _WORD.fullmatch(case.word):
        return _answer(case, None, (f"it printed {case.word!r}: not in time, or nothing to ask with",))
    if case.word.isdigit() or case.word in case.probe.proofs:
        return _granted(case)
    found = {name: seen for name in _ORDER.get(case.word, ()) if (seen := CHECKS[name](case))}
    if not found:
        found = {"policy": "nothing else is there: a security module or a setting of the kernel is left"}
    first, *also = found
    return _answer(case, False, tuple(found.values()), denied_by=first, also=tuple(also))


def _granted(case: Case) -> ProbeAnswer:
    if masked := masked_path(case):
        return _answer(case, False, (masked,), denied_by="masked path")
    contained_by, seen = _contained(case)
    lacking = capability(case)
    unasked = (f"{lacking}, and was not asked for",) if lacking else ()
    return _answer(case, True, (seen, *unasked), contained_by=contained_by)


def _contained(case: Case) -> tuple[str | None, str]:
    """What keeps the effect in the place, and the fact that shows it."""
    reach = case.probe.reach
    if reach == "process":
        return "process", "it concerns the calling process alone"
    if seen := own_kernel(case):
        return "own kernel", seen
    if seen := namespace(case):
        return f"{reach} namespace", seen
    if reach in NAMESPACE_KINDS:
        return None, f"its {reach} namespace is the host's ({case.host.namespaces.get(reach)})"
    return None, "no namespace divides this, and the kernel is the host's"


def _answer(
    case: Case,
    allowed: bool | None,
    seen: tuple[str, ...],
    *,
    denied_by: str | None = None,
    contained_by: str | None = None,
    also: tuple[str, ...] = (),
) -> ProbeAnswer:
    evidence = (_spoken(case), *seen)
    return ProbeAnswer(case.probe.id, case.who.place, allowed, denied_by, contained_by, case.word, evidence, also)


def _spoken(case: Case) -> str:
    if case.word.isdigit():
        return f"the kernel returned {case.word}"
    number = getattr(errno, case.word, None)
    said = f"the kernel said {case.word} ({os.strerror(number)})" if number else f"the answer was {case.word!r}"
    return f"{said}, which comes only after permission is granted" if case.word in case.probe.proofs else said
