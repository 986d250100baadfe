"""A container looked at through the kernel's own files and the engine's record of it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

from sandboxes import kernel, model, request
from sandboxes.containers import activity, addresses, command, members
from sandboxes.containers.pidspace import PidSpace
from sandboxes.containers.running import RunningContainer
from sandboxes.errors import SandboxGone

LOOK_S = 10.0


class ObservedContainer(RunningContainer):
    """What there is to see of it; nothing here changes it."""

    def sample(self) -> model.CgroupSample:
        """One reading of its cgroup's files, about 0.2 ms. Raises SandboxGone, Unavailable."""
        with self._open():
            seen = kernel.sample(self.cgroup())
            if seen.pids.current == 0:  # an engine that was killed leaves the cgroups of its dead containers
                raise SandboxGone("The cgroup is empty.", seen=str(self.cgroup().folder), remedy="start a new one")
            return seen

    def details(self) -> model.CgroupDetails:
        """The rarer figures of its cgroup, about 0.5 ms: weight, swap, disks, pressure, the freezer; None: not known.

        Raises SandboxGone, Unavailable.
        """
        with self._open():
            return kernel.details(self.cgroup())

    def stats(self, interval_s: float = 0.5) -> model.Activity:
        """What it does: rates between two readings of its files, `interval_s` apart. (Engines take 2 s for their own.)

        Raises BadRequest, SandboxGone, Unavailable.
        """
        interval_s = request.number("interval_s", interval_s, least=0.01, most=60)
        with self._open():
            return activity.between(self.cgroup(), members.init_of(self.cgroup()), interval_s)

    def namespaces(self) -> model.Namespaces:
        """The namespaces of its first process. Raises SandboxGone, Unavailable."""
        with self._open():
            init = self._init()
            return model.Namespaces(
                self.name, self.kind, init.command, init.pid, kernel.boot_id(), dict(init.namespaces)
            )

    def processes(self) -> tuple[model.Process, ...]:
        """All of them: `pid` is the number on this machine, `pid_inside` that in the container.

        Source: cgroup.procs, and NSpid in proc_pid_status(5). Raises SandboxGone, Unavailable.
        """
        with self._open():
            found = []
            for pid, _ in members.live(self.cgroup()):
                with contextlib.suppress(SandboxGone):
                    found.append(kernel.process(pid))
            return tuple(found)

    def facts(self) -> model.Container:
        """The container as kernel and engine report it now. Raises SandboxGone, Unavailable."""
        with self._open():
            said = self._engine.inspect(self.id)
            init = self._init()
            return model.Container(
                id=self.id,
                name=self.name,
                image=self.image,
                profile=self.profile,
                user=said["Config"].get("User") or "root",
                init=init,
                processes=self.processes(),
                limits=self.limits,
                cgroup=kernel.sample(self.cgroup()) if self._counted_apart() else None,
                capabilities=kernel.capabilities(init.pid),
                seccomp=kernel.seccomp_mode(init.pid),
                no_new_privileges=kernel.no_new_privileges(init.pid),
                start_ms=self.start_ms,
                engine=self._engine.facts(),
                host=kernel.host(),
                warm=self.warm,
                paused=self._counted_apart() and kernel.is_frozen(self.cgroup()),
                addresses=addresses.addresses(said, self._engine.owner.id),
                ports=self._ports(said),
            )

    def _counted_apart(self) -> bool:
        """It has a cgroup of its own, in whose files the kernel counts what it uses."""
        return not isinstance(self.cgroup(), PidSpace)

    def _ports(self, said: Mapping[str, Any]) -> dict[int, int]:
        return addresses.bindings(said)

    def _init(self) -> model.Process:
        """Process 1. A user who may not look at its namespaces from here asks inside, where it is one's own."""
        init = kernel.process(members.init_of(self.cgroup()))
        if init.namespaces:
            return init
        asked = command.prepare(self._engine, self.id, ("ls", "-l", "/proc/1/ns"))
        links = command.run(asked, self.cgroup, LOOK_S, self.name).stdout.splitlines()
        return dataclasses.replace(init, namespaces=kernel.parse_links(links))
