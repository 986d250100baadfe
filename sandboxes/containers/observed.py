"""A container looked at through the kernel's own files and the engine's record of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from sandboxes import kernel, model, request
from sandboxes.containers import addresses, command, sight
from sandboxes.containers.pidspace import PidSpace
from sandboxes.containers.running import RunningContainer
from sandboxes.errors import SandboxGone

LOOK_S = 10.0


class ObservedContainer(RunningContainer):
    """What there is to see of it; nothing here changes it."""

    def sample(self) -> model.CgroupSample:
        """One reading of its cgroup's files, about 0.2 ms. Raises SandboxGone, Unavailable."""
        with self._open():
            seen = sight.sample(self.cgroup())
            if seen.pids.current == 0:  # an engine that was killed leaves the cgroups of its dead containers
                raise SandboxGone("The cgroup is empty.", seen="no process is in it", remedy="start a new one")
            return seen

    def details(self) -> model.CgroupDetails:
        """The rarer figures of its cgroup, about 0.5 ms: weight, swap, disks, pressure, the freezer; None: not known.

        Raises SandboxGone, Unavailable.
        """
        with self._open():
            return sight.details(self.cgroup())

    def stats(self, interval_s: float = 0.5) -> model.Activity:
        """What it does: rates between two readings of its files, `interval_s` apart. (Engines take 2 s for their own.)

        Raises BadRequest, SandboxGone, Unavailable.
        """
        interval_s = request.number("interval_s", interval_s, least=0.01, most=60)
        with self._open():
            return sight.stats(self.cgroup(), interval_s)

    def namespaces(self) -> model.Namespaces:
        """The namespaces of its first process. Raises SandboxGone, Unavailable."""
        with self._open():
            init = self._init(seen := sight.look(self.cgroup()))
            return model.Namespaces(self.name, self.kind, init.command, init.pid, seen.boot_id, dict(init.namespaces))

    def processes(self) -> tuple[model.Process, ...]:
        """All of them: `pid` is the number on this machine, or in the guest that the engine is in, `pid_inside` that in
        the container.

        Source: cgroup.procs, and NSpid in proc_pid_status(5). Raises SandboxGone, Unavailable.
        """
        with self._open():
            return sight.processes(self.cgroup())

    def facts(self) -> model.Container:
        """The container as kernel and engine report it now. Raises SandboxGone, Unavailable."""
        with self._open():
            said = self._engine.inspect(self.id)
            seen = sight.look(self.cgroup())
            init = self._init(seen)
            return model.Container(
                id=self.id,
                name=self.name,
                image=self.image,
                profile=self.profile,
                user=said["Config"].get("User") or "root",
                init=init,
                processes=seen.processes,
                limits=self.limits,
                cgroup=sight.sample(self.cgroup()) if self._counted_apart() else None,
                capabilities=seen.capabilities,
                seccomp=seen.seccomp,
                no_new_privileges=seen.no_new_privileges,
                start_ms=self.start_ms,
                engine=self._engine.facts(),
                host=kernel.host(),
                warm=self.warm,
                paused=self._counted_apart() and sight.frozen(self.cgroup()),
                addresses=addresses.addresses(said, self._engine.owner.id),
                ports=self._ports(said),
            )

    def _counted_apart(self) -> bool:
        """It has a cgroup of its own, in whose files the kernel counts what it uses."""
        return not isinstance(self.cgroup(), PidSpace)

    def _ports(self, said: Mapping[str, Any]) -> dict[int, int]:
        return addresses.bindings(said)

    def _init(self, seen: sight.Look) -> model.Process:
        """Process 1. A user who may not look at its namespaces from here asks inside, where it is one's own."""
        if seen.init.namespaces:
            return seen.init
        asked = command.prepare(self._engine, self.id, ("ls", "-l", "/proc/1/ns"))
        links = command.run(asked, self.cgroup, LOOK_S, self.name).stdout.splitlines()
        return dataclasses.replace(seen.init, namespaces=kernel.parse_links(links))
