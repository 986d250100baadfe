"""The cgroup of a container whose engine is in a guest: not on this machine, so everything is asked of that kernel."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sandboxes import kernel
from sandboxes.errors import SandboxGone, Unavailable
from sandboxes.guests.boxes.reading import Members, files_of, parse_files, parse_members, processes_of
from sandboxes.guests.inside import parse_statuses
from sandboxes.kernel import Cgroup
from sandboxes.kernel.reading import table
from sandboxes.model import Activity, CgroupDetails, CgroupSample, Result

ASK_S = 60.0
PARENT = "/sys/fs/cgroup/docker"
"""Where dockerd makes its containers' cgroups when it is told no other place."""

FILES, PROCESSES = files_of('"$2"'), processes_of('"$2"')
LIVING = """
cd "$1" || exit
pids=$(cat cgroup.procs)
grep -sHE '^(State|Pid|PPid|NSpid|NSsid):' $(printf '/proc/%s/status ' $pids)
echo '== marked'
for pid in $pids; do
    tr '\\0' '\\n' <"/proc/$pid/environ" | grep -qxF -- "$2" && echo $pid
done 2>/dev/null
true
"""
"""Shell text for the folder of a cgroup and a mark; parse_living reads what it prints."""

SEND = """
cd "$1" || exit
number=$2; shift 2
for pid in "$@"; do
    grep -qx "$pid" cgroup.procs && kill "-$number" "$pid"
done 2>/dev/null
true
"""


class Asked(Protocol):
    """A guest, as far as it is needed here."""

    name: str

    def run(self, command: list[str], *, timeout_s: float) -> Result: ...


@dataclass(frozen=True)
class GuestGroup(Cgroup):
    """`path` is its folder in the guest, `init` the number there of the container's first process."""

    guest: Asked | None = None
    path: str = ""
    init: int = 0

    @property
    def folder(self) -> Path:
        """Raises Unavailable: it is no folder of this machine."""
        raise Unavailable(
            "The container's cgroup is in a guest, so its files cannot be read or written from here.",
            seen=f"{self.path} in the guest {self.guest.name if self.guest else '?'}",
            remedy="sample(), details(), stats(), processes() and facts() ask the guest's kernel",
        )

    def sample(self) -> CgroupSample:
        """As kernel.sample(). Raises SandboxGone, Unavailable."""
        return self._reading()[0]

    def details(self) -> CgroupDetails:
        """As kernel.details(). Raises SandboxGone."""
        texts, _ = parse_files(self._ask(FILES, str(self.init)))
        return kernel.details_of(Path(self.path), texts)

    def stats(self, interval_s: float) -> Activity:
        """What it does between two readings. Raises SandboxGone, Unavailable."""
        before = self._reading()
        time.sleep(interval_s)
        return kernel.rates(before, self._reading())

    def look(self) -> Members:
        """Its processes as the guest's kernel shows them. Raises SandboxGone."""
        try:
            return parse_members(self._ask(PROCESSES, str(self.init)))
        except (LookupError, ValueError) as error:
            raise SandboxGone(
                "The container's first process has ended.", seen=f"{self.path}: no process 1", remedy="start a new one"
            ) from error

    def frozen(self) -> bool:
        """Every process in it stands still (cgroup-v2.rst, cgroup.events). Raises SandboxGone."""
        return "frozen 1" in self._ask('cat "$1/cgroup.events"')

    def inside(self, engine_pid: int) -> int | None:
        """The number in the container of what the engine calls `engine_pid`; None when that has ended."""
        told = self._ask('grep -s "^NSpid:" "/proc/$2/status"; true', str(engine_pid))
        chain = kernel.pids_inside(told)
        return chain[-1] if chain else None

    def living(self, mark: str) -> tuple[dict[int, str], frozenset[int]]:
        """Lines of /proc/PID/status of every member, and those that carry the mark. Raises SandboxGone."""
        return parse_living(self._ask(LIVING, mark))

    def send(self, pids: Iterable[int], number: signal.Signals) -> None:
        """The signal has been sent to those of them that are members. Raises SandboxGone."""
        self._ask(SEND, str(int(number)), *map(str, pids))

    def _reading(self) -> kernel.Reading:
        texts, net = parse_files(self._ask(FILES, str(self.init)))
        seen = kernel.sample_of(Path(self.path), texts)
        return seen, kernel.disk_bytes(kernel.details_of(Path(self.path), texts).io), net

    def _ask(self, text: str, *words: str) -> str:
        """What the guest says. Raises SandboxGone; Unavailable when no program could be run there."""
        if self.guest is None:
            raise SandboxGone("The cgroup's guest is gone.", seen=self.path, remedy="start a new container")
        done = self.guest.run(["sh", "-c", text, "sh", self.path, *words], timeout_s=ASK_S)
        if done.exit_code >= 126:
            raise Unavailable(
                "The guest that the engine is in could not be asked about a container.",
                seen=done.stderr.strip()[-200:] or f"exit status {done.exit_code}",
                remedy="try again; close containers when it has no room for another process",
            )
        if done.exit_code != 0:
            seen = done.stderr.strip()[-200:] or f"exit status {done.exit_code}"
            raise SandboxGone("The cgroup is gone: its last process has ended.", seen=seen, remedy="start it again")
        return done.stdout


def parse_living(said: str) -> tuple[dict[int, str], frozenset[int]]:
    """What LIVING prints."""
    statuses, _, marked = said.partition("== marked\n")
    found = {pid: text for pid, text in parse_statuses(statuses).items() if "State" in table(text)}
    return found, frozenset(int(word) for word in marked.split())
