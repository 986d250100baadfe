"""Verdicts on claims, and the results of a lab: a shape and a word each, then the reasons."""

from __future__ import annotations

from collections.abc import Sequence

from sandboxes.model import Check, Verdict
from sandboxes.view.markup import Markup, Shown, element, prose
from sandboxes.view.recorded import recorded_here

VERDICT_SHAPES = {
    "holds": ("✓", 2),
    "holds, with limits": ("◐", 0),
    "outdated": ("⧖", 4),
    "history": ("⧖", 4),
    "refuted": ("✗", 1),
    "undecided on this machine": ("?", 7),
}
"""Verdict -> its shape and the number of its colour."""


def verdict(v: Verdict) -> Shown:
    """A card: the claim, the verdict, why, the threshold written beforehand, limits and sources."""
    shape, colour = VERDICT_SHAPES.get(v.verdict, ("?", 7))
    entries = [("because", [v.because]), ("threshold, written beforehand", [v.threshold]), ("limits", [v.limits])]
    entries.append(("sources", list(v.sources)))
    body = element(
        "section",
        element("p", f"“{v.statement}”", class_="bnd-statement"),
        element("p", element("i", shape, class_="bnd-shape", aria_hidden="true"), v.verdict, class_="bnd-word"),
        _entries(entries),
        element("p", str(recorded_here()), class_="bnd-prov"),
        class_=f"bnd bnd-card bnd-shape-{colour}",
        aria_label=f"Claim {v.claim}: {v.verdict}",
    )
    lines = [f"{v.claim}: “{v.statement}”", f"{shape} {v.verdict}"]
    return Shown(body, "\n".join([*lines, *(f"{key}: {'; '.join(texts)}" for key, texts in entries if any(texts))]))


def checks(results: Sequence[Check]) -> Shown:
    """What each task of a lab looks like in the real sandbox; a hint is folded under what has not been reached."""
    passed = sum(check.passed for check in results)
    total = f"{passed} of {len(results)} tasks done"
    body = element(
        "section",
        element("p", total + ("." if passed < len(results) else ": the lab is complete."), class_="bnd-total"),
        element("ol", *(_check(check) for check in results)),
        element("p", str(recorded_here()), class_="bnd-prov"),
        class_="bnd bnd-checks",
        aria_label=f"Lab: {total}",
    )
    return Shown(body, "\n".join([total, *(_check_text(check) for check in results)]))


def _check(check: Check) -> Markup:
    shape, word, colour = ("✓", "done", 2) if check.passed else ("✗", "not yet", 1)
    entries = [("observed", [check.observed]), ("expected", [check.expected]), ("why", [check.why])]
    hint = element("details", element("summary", "Hint"), element("p", prose(check.hint)), class_="bnd-hint")
    return element(
        "li",
        element("p", prose(check.task), class_="bnd-task"),
        element("p", element("i", shape, class_="bnd-shape", aria_hidden="true"), word, class_="bnd-word"),
        _entries(entries),
        hint if check.hint and not check.passed else "",
        class_=f"bnd-card bnd-shape-{colour}",
    )


def _check_text(check: Check) -> str:
    head = f"{'✓ done' if check.passed else '✗ not yet'}: {check.task}"
    lines = [f"  observed: {check.observed}", f"  expected: {check.expected}", f"  why: {check.why}"]
    return "\n".join([head, *lines, *([f"  hint: {check.hint}"] if check.hint and not check.passed else [])])


def _entries(entries: Sequence[tuple[str, list[str]]]) -> Markup:
    return element("dl", *(_entry(key, texts) for key, texts in entries if any(texts)))


def _entry(key: str, texts: list[str]) -> Markup:
    listed = element("ul", *(element("li", prose(text)) for text in texts)) if len(texts) > 1 else prose(texts[0])
    return Markup(element("dt", key) + element("dd", listed))
