"""Which places share which namespaces: records -> rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandboxes.model import NAMESPACE_KINDS, Namespaces

ISOLATES = {
    "mnt": "which file systems are mounted where",
    "pid": "which processes can be seen, and their numbers",
    "net": "network cards, addresses, routes, ports",
    "uts": "host name",
    "ipc": "System V and POSIX message queues, shared memory",
    "user": "user and group numbers, and what root may do",
    "cgroup": "which part of the cgroup tree is seen as its root",
    "time": "boot-time and monotonic clocks",
}
"""What each kind of namespace separates (namespaces(7))."""


@dataclass(frozen=True)
class Cell:
    """One place's namespace of one kind. Places with the same `shape` share it; -1: the kernel reports none."""

    place: str
    number: int | None
    shape: int
    text: str
    status: str


@dataclass(frozen=True)
class Row:
    """One kind of namespace over all places."""

    kind: str
    isolates: str
    cells: tuple[Cell, ...]
    summary: str


def rows(seen: Sequence[Namespaces]) -> tuple[Row, ...]:
    """A row for each of the eight kinds, in the order of namespaces(7)."""
    return tuple(_row(kind, seen) for kind in NAMESPACE_KINDS)


def _row(kind: str, seen: Sequence[Namespaces]) -> Row:
    keys = [_key(kind, place) for place in seen]
    order = list(dict.fromkeys(key for key in keys if key))
    cells = []
    for place, key in zip(seen, keys, strict=True):
        group = [other for other, its in zip(seen, keys, strict=True) if its == key]
        others = [other for other in group if other is not place]
        twins = [
            other for other, its in zip(seen, keys, strict=True) if its and key and its[1] == key[1] and its != key
        ]
        if key is None:
            cells.append(Cell(place.place, None, -1, "not reported", f"{place.place} reports no {kind} namespace."))
            continue
        text, status = _text(place, others, twins), _status(kind, key[1], group, twins)
        cells.append(Cell(place.place, key[1], order.index(key), text, status))
    return Row(kind, ISOLATES[kind], tuple(cells), _summary(keys, seen))


def _key(kind: str, place: Namespaces) -> tuple[str, int] | None:
    number = place.ids.get(kind)
    return None if number is None else (place.boot_id, number)


def _text(place: Namespaces, others: list[Namespaces], twins: list[Namespaces]) -> str:
    if others:
        hosts = [other for other in others if other.kind == "host"]
        return "shared with " + _names(hosts or others)
    return "its own (same number, other kernel)" if twins and place.kind != "host" else "its own"


def _status(kind: str, number: int, group: list[Namespaces], twins: list[Namespaces]) -> str:
    said = f"{kind}:[{number}]: "
    said += f"{_names(group)} share it." if len(group) > 1 else f"of these places only {group[0].place} is in it."
    if twins:
        reports = "reports" if len(twins) == 1 else "report"
        said += f" {_names(twins)} {reports} the same number under another running kernel: a different namespace."
    return said


def _summary(keys: list[tuple[str, int] | None], seen: Sequence[Namespaces]) -> str:
    known = [key for key in keys if key]
    if not known:
        return "not reported"
    if len(set(known)) == len(known):
        return "each its own" if len(known) > 1 else "one place only"
    if len(set(known)) == 1:
        return "one for all"
    groups = ([place for place, its in zip(seen, keys, strict=True) if its == key] for key in dict.fromkeys(known))
    return "; ".join(f"{_names(group)} share one" for group in groups if len(group) > 1)


def _names(places: Sequence[Namespaces]) -> str:
    names = [place.place for place in places]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
