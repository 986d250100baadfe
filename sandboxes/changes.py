"""What did that just do on this machine? Two looks at it, before and after, and what lies between."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from sandboxes import kernel, model

WIDTH = 110
"""Of a line of the text."""


class Seen:
    """What appeared and vanished since it was made, and until the end of the `with` block when it stands in one.

    Inside the block `created` and `removed` say what has happened so far: each then takes another look.
    """

    def __init__(self) -> None:
        self._before = kernel.photograph()
        self._begun = time.monotonic()
        self._record: model.Changes | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._record = self.record()

    @property
    def created(self) -> model.Inventory:
        """What is there and was not there before."""
        return self.record().created

    @property
    def removed(self) -> model.Inventory:
        """What was there before and is not there any more."""
        return self.record().removed

    def record(self) -> model.Changes:
        """Both, as plain records."""
        if self._record:
            return self._record
        wall_ms = (time.monotonic() - self._begun) * 1000
        now = kernel.photograph()
        return model.Changes(kernel.more(now, self._before), kernel.more(self._before, now), wall_ms)

    def __repr__(self) -> str:
        record = self.record()
        return (
            f"<changes in {record.wall_ms:.0f} ms: {_total(record.created)} created, {_total(record.removed)} removed>"
        )

    def __str__(self) -> str:
        return describe(self.record())


def changes() -> Seen:
    """Watches this machine: `with sb.changes() as seen: …`, then `print(seen)`, `seen.created`, `seen.removed`.

    Processes, namespaces, cgroups, mounts and network links are compared, whoever made them: on a busy machine other
    people's work shows too. A look takes some tens of ms, and what came and went between two looks is not seen.
    Without root the namespaces of other users' processes are hidden, with their mounts and links (ptrace(2)).
    Nothing is raised. Source: proc(5), namespaces(7), cgroups(7), proc_pid_mountinfo(5).
    """
    return Seen()


def describe(record: model.Changes) -> str:
    """A text of a few lines for each kind of thing."""
    return "\n".join(
        line
        for title, inventory in (("created", record.created), ("removed", record.removed))
        for line in (f"{title} within {record.wall_ms:.0f} ms", *(_lines(inventory) or ["  nothing"]))
    )


def _lines(inventory: model.Inventory) -> list[str]:
    texts: dict[str, Iterable[str]] = {
        "processes": (f"{process.pid} {process.command}" for process in inventory.processes),
        "namespaces": _namespaces(inventory.namespaces),
        "cgroups": _cgroups(inventory.cgroups),
        "mounts": _mounts(inventory.mounts),
        "links": (f"{link.name} in network namespace {link.namespace}" for link in inventory.links),
    }
    counts = inventory.counts()
    return [
        _cut(f"  {kind + ' ' + str(counts[kind]) if first else '':<15} {line}")
        for kind, lines in texts.items()
        for first, line in zip((True, *[False] * counts[kind]), lines, strict=False)
    ]


def _namespaces(groups: Iterable[model.NamespaceGroup]) -> Iterator[str]:
    by_command: dict[str, list[str]] = defaultdict(list)
    for group in groups:
        by_command[f"{group.lowest_pid} {group.command}"].append(f"{group.kind}:[{group.inode}]")
    return (f"{' '.join(names)} of {process}" for process, names in by_command.items())


def _cgroups(cgroups: Iterable[model.SeenCgroup]) -> Iterator[str]:
    by_path: dict[str, list[str]] = defaultdict(list)
    for cgroup in cgroups:
        by_path[cgroup.path].append(cgroup.hierarchy)
    return (f"{path} in {' '.join(sorted(hierarchies))}" for path, hierarchies in by_path.items())


def _mounts(seen: Iterable[model.SeenMount]) -> Iterator[str]:
    by_namespace: dict[int, list[model.Mount]] = defaultdict(list)
    for each in seen:
        by_namespace[each.namespace].append(each.mount)
    for namespace, mounted in by_namespace.items():
        targets = " ".join(f"{mount.target} ({mount.fstype})" for mount in mounted)
        yield f"{len(mounted)} in mount namespace {namespace}: {targets}"


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def _total(inventory: model.Inventory) -> int:
    return sum(inventory.counts().values())
