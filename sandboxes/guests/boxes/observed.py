"""A container in a guest: what every look at it goes through, and what there is to see."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NoReturn

from sandboxes import kernel, request
from sandboxes.errors import SandboxGone, Unavailable
from sandboxes.guests.boxes.bundle import BOXES, cgroup_folder
from sandboxes.guests.boxes.images import DIGESTS
from sandboxes.guests.boxes.reading import FILES, PROCESSES, Members, parse_files, parse_members
from sandboxes.guests.boxes.wanted import Wanted
from sandboxes.guests.controlled import ControlledGuest
from sandboxes.lifecycle import Closing
from sandboxes.model import (
    Accelerator,
    Activity,
    CgroupDetails,
    CgroupSample,
    GuestContainer,
    Level,
    Namespaces,
    Process,
    Result,
)

ASK_S = 30.0


class ObservedBox(Closing):
    """`start_ms` is the time from the request to its running. `limits` are those that it has now."""

    kind = "container"

    def __init__(self, vm: ControlledGuest, accelerator: Accelerator, asked: Wanted) -> None:
        self.name, self.profile, self.limits = asked.name, asked.profile.name, asked.limits
        self.guest = vm.name
        self.runtime, self.start_ms = "", 0.0
        self._vm, self._accelerator, self._asked = vm, accelerator, asked
        self._folder, self._cgroup = f"{BOXES}/{asked.name}", cgroup_folder(asked.name)
        self._closed = self._paused = False

    def sample(self) -> CgroupSample:
        """One reading of its cgroup's files. Raises SandboxGone, Unavailable."""
        return self._reading()[0]

    def details(self) -> CgroupDetails:
        """The rarer figures of its cgroup: weight, swap, pressure, the freezer. Raises SandboxGone, Unavailable."""
        texts, _ = parse_files(self._look(FILES))
        return kernel.details_of(Path(self._cgroup), texts)

    def stats(self, interval_s: float = 0.5) -> Activity:
        """What it does: rates between two readings of its files, `interval_s` apart.

        Raises BadRequest, SandboxGone, Unavailable.
        """
        interval_s = request.number("interval_s", interval_s, least=0.01, most=60)
        before = self._reading()
        time.sleep(interval_s)
        return kernel.rates(before, self._reading())

    def namespaces(self) -> Namespaces:
        """The namespaces of its first process, numbered by the guest's kernel. Raises SandboxGone."""
        seen = self._members()
        return Namespaces(self.name, self.kind, seen.init.command, seen.init.pid, seen.boot_id, seen.init.namespaces)

    def processes(self) -> tuple[Process, ...]:
        """All of them: `pid` is the number in the guest, `pid_inside` that in the container. Raises SandboxGone.

        Source: cgroup.procs, and NSpid in proc_pid_status(5).
        """
        return self._members().processes

    def facts(self) -> GuestContainer:
        """The container as the guest's kernel reports it, and what lies beneath. Raises SandboxGone, Unavailable."""
        seen, sample = self._members(), self.sample()
        image = self._asked.image
        return GuestContainer(
            name=self.name,
            image=image.name,
            image_id=image.id,
            layers=tuple(f"sha256:{found}" for found in self._ask(DIGESTS, *image.layers).split()),
            runtime=self.runtime,
            profile=self.profile,
            user=self._asked.profile.user or "root",
            init=seen.init,
            processes=seen.processes,
            limits=self.limits,
            cgroup=sample,
            capabilities=kernel.parse_capabilities(seen.status),
            seccomp=kernel.parse_seccomp(seen.status),
            no_new_privileges=kernel.parse_no_new_privileges(seen.status),
            start_ms=self.start_ms,
            paused=self._paused,
            accelerator=self._accelerator,
            chain=self._chain(seen),
        )

    def _chain(self, seen: Members) -> tuple[Level, ...]:
        here, pid = kernel.host(), self._vm.host_pid
        return (
            Level("kernel", f"Linux {here.kernel}", f"of {here.hostname}", here.boot_id),
            Level("process", kernel.process(pid).name, f"the guest {self.guest}", here.boot_id, pid),
            Level("kernel", f"Linux {seen.kernel}", self._accelerator.promise, seen.boot_id),
            Level("container", self.name, f"made by {self.runtime}", seen.boot_id, seen.init.pid),
        )

    def _reading(self) -> kernel.Reading:
        """Raises SandboxGone, also when nobody is in it any more."""
        texts, net = parse_files(self._look(FILES))
        seen = kernel.sample_of(Path(self._cgroup), texts)
        if seen.pids.current == 0:
            self._gone("no process is left in it", seen)
        return seen, kernel.disk_bytes(kernel.details_of(Path(self._cgroup), texts).io), net

    def _members(self) -> Members:
        try:
            return parse_members(self._look(PROCESSES))
        except (LookupError, ValueError):
            self._gone("its first process has ended")

    def _look(self, text: str) -> str:
        return self._ask(text, self._cgroup, self._folder)

    def _ask(self, text: str, *words: str) -> str:
        """What the guest says. Raises SandboxGone."""
        self._check()
        done = self._script(text, *words)
        if done.exit_code != 0:
            self._gone(done.stderr.strip()[-200:])
        return done.stdout

    def _script(self, text: str, *words: str, stdin: bytes | None = None) -> Result:
        return self._vm.run(["sh", "-c", text, "sh", *words], timeout_s=ASK_S, stdin=stdin)

    def _check(self) -> None:
        if self._closed:
            raise SandboxGone(f"Container {self.name} was closed.", seen="close() was called", remedy="start a new one")

    def _check_runs(self) -> None:
        self._check()
        if self._paused:
            raise Unavailable(
                f"Container {self.name} is paused: nothing runs in it.", seen="pause()", remedy="resume() it"
            )

    def _gone(self, seen: str, last: CgroupSample | None = None) -> NoReturn:
        """It has ended; the kernel's counters, which it leaves behind, tell whether for memory."""
        kills = last.memory.oom_kills if last else self._oom_kills()
        why = f"the kernel killed {kills} of its processes for memory; {seen}" if kills else seen
        raise SandboxGone(f"Container {self.name} in {self.guest} has ended.", seen=why, remedy="start a new one")

    def _oom_kills(self) -> int:
        texts, _ = parse_files(self._script(FILES, self._cgroup, self._folder).stdout)
        return kernel.sample_of(Path(self._cgroup), texts).memory.oom_kills if "memory.events" in texts else 0
