"""Boundary probes: what was asked of the kernel, what it answered in each place, and what stood in the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sandboxes.model.privileges import Mount, Privileges


@dataclass(frozen=True)
class Probe:
    """One harmless question to the kernel, and what must be known to understand its answer.

    `command` is text for `sh`; its last word is the answer: a number when the call went through, the name of an error
    (errno(3)), or "hidden" when what was looked for cannot be seen. `capabilities`: any one of them is what the kernel
    asks for (capabilities(7)), `initial` when it must be held in the first user namespace (user_namespaces(7)).
    `reach` is how far an effect would go: "kernel", "process", or the kind of namespace that it stays in.
    `path` is the file that is opened. `proofs` are errors that the kernel gives only after it has granted permission.
    """

    id: str
    question: str
    command: str
    touches: str
    harmless_because: str
    reach: str = "kernel"
    capabilities: tuple[str, ...] = ()
    initial: bool = False
    path: str | None = None
    proofs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Standing:
    """Who asks: the probing process as its own /proc describes it, in the place where it asks.

    `namespaces` maps kind to inode number, which means something within the kernel that drew `boot_id` only.
    `devices` are the lines of devices.list of its cgroup, none where cgroups are of version 2 or not shown
    (cgroups(7)). `wall_ms` is the time of all probes.
    """

    place: str
    kind: str
    privileges: Privileges
    boot_id: str
    namespaces: Mapping[str, int]
    mounts: tuple[Mount, ...]
    devices: tuple[str, ...]
    wall_ms: float


@dataclass(frozen=True)
class ProbeAnswer:
    """What one place said to one probe.

    `allowed` is None when the question could not be asked there. `denied_by` is one of BARRIERS when it is False;
    `also` holds barriers that stand there too and may refuse as well. `contained_by` tells what
    keeps the effect of an allowed call in the place: "own kernel", "process", or "uts namespace" and so on; None:
    nothing does, it reaches the host. `said` is the kernel's word, `evidence` the facts from which all this follows.
    """

    probe: str
    place: str
    allowed: bool | None
    denied_by: str | None
    contained_by: str | None
    said: str
    evidence: tuple[str, ...]
    also: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """In two or three words: "reaches the host", "allowed: uts namespace", "denied: capability", "not asked"."""
        if self.allowed is None:
            return "not asked"
        if not self.allowed:
            return f"denied: {self.denied_by}"
        return f"allowed: {self.contained_by}" if self.contained_by else "reaches the host"


BARRIERS = {
    "capability": "the process lacks a capability that the kernel asks for",
    "user namespace": "it has the capability, but not in the first user namespace",
    "seccomp": "the filter of system calls refuses this one",
    "namespace": "what was looked for is in another namespace",
    "own kernel": "what was looked for belongs to another kernel",
    "read-only mount": "the file system is mounted read-only there",
    "mount option": "the file system is mounted with noexec or nodev",
    "masked path": "something else is mounted over the file",
    "missing device": "there is no such device in this place",
    "missing file": "this kernel does not offer the file in this place",
    "device cgroup": "the cgroup does not let its processes open this device",
    "file permission": "the file belongs to another user",
    "no new privileges": "the process has given up ever gaining privileges",
    "limit": "a resource limit is reached",
    "no route": "its network namespace knows no way to that address",
    "not built in": "this kernel was built without it",
    "policy": "neither of the others: a security module or a setting of the kernel",
}
"""What can stand in the way, and what that means."""


@dataclass(frozen=True)
class ProbeMatrix:
    """The same probes in several places: one row of `answers` a probe, one column a place.

    `differing` holds the ids of probes to which the places did not all give the same verdict.
    """

    probes: tuple[Probe, ...]
    standings: tuple[Standing, ...]
    answers: tuple[tuple[ProbeAnswer, ...], ...]
    differing: tuple[str, ...]

    def answer(self, probe: str, place: str) -> ProbeAnswer:
        """One cell, by probe id and name of the place. Raises KeyError when there is none."""
        for row in self.answers:
            for cell in row:
                if (cell.probe, cell.place) == (probe, place):
                    return cell
        raise KeyError((probe, place))

    def column(self, place: str) -> tuple[ProbeAnswer, ...]:
        """All answers of one place, in the order of the probes. Raises KeyError for a place that was not asked."""
        cells = tuple(cell for row in self.answers for cell in row if cell.place == place)
        if not cells:
            raise KeyError(place)
        return cells

    def counts(self, place: str) -> Mapping[str, int]:
        """How often each verdict came in one place, most frequent first; adds up to the number of probes."""
        verdicts = [cell.verdict for cell in self.column(place)]
        return dict(sorted(((one, verdicts.count(one)) for one in set(verdicts)), key=lambda pair: (-pair[1], pair[0])))

    def __repr__(self) -> str:
        heads = ["question", *(standing.place for standing in self.standings)]
        rows = [
            [probe.question, *(cell.verdict for cell in row)]
            for probe, row in zip(self.probes, self.answers, strict=True)
        ]
        widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
        lines = [
            "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) for row in [heads, *rows]
        ]
        return "\n".join([*(line.rstrip() for line in lines), f"{len(self.differing)} of {len(rows)} rows differ"])
