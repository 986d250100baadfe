"""A container made one step at a time: each method makes the kernel calls and tells what they changed."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from sandboxes import kernel, model, request
from sandboxes.bare import cgroup, plan, wanted
from sandboxes.bare import filter as seccomp_filter
from sandboxes.bare.agent import Request
from sandboxes.bare.photograph import differences, photograph
from sandboxes.bare.root import layers
from sandboxes.bare.sandbox import BareSandbox
from sandboxes.bare.users import map_users
from sandboxes.errors import BadRequest, Unavailable


def steps(name: str | None = None) -> ByHand:
    """A process of its own in which nothing is apart yet: a container is made of it, step by step.

    `run` works at any time, and shows what has been reached so far. Until it has its own mount namespace and root, its
    commands see the host's files, and until `setuid` or `drop_capabilities` they run as the user of this notebook.
    Raises BadRequest, EngineUnavailable when busybox is missing. Source: unshare(2), and the page that each step names.
    """
    return ByHand(name)


class ByHand(BareSandbox):
    """A process on its way to a container. Every step raises Unavailable, with the reason, when the kernel refuses."""

    refused = Unavailable

    def __init__(self, name: str | None = None) -> None:
        self._root, self._first_uid = plan.INSIDE, 0
        super().__init__(
            wanted.Wanted(
                wanted.checked_name(name), frozenset({"mnt"}), model.Limits(None, None, None), False, os.geteuid() == 0
            )
        )

    def cgroup(self, memory: str | int | None = None, cpus: float | None = None, pids: int | None = None) -> model.Step:
        """A cgroup of its own, with limits; None: no limit. Raises BadRequest, LimitIgnored, Unavailable."""
        if self._cgroup:
            raise BadRequest("cgroup", "is there already.", seen=str(self._cgroup.folder), remedy="start a new one")
        wanted.check_can_limit({"memory": memory, "cpus": cpus, "pids": pids})
        self.limits = wanted.limits(memory, cpus, pids)
        self._cgroup = cgroup.make(self._mark, self.limits)
        limits = cgroup.written(self._cgroup, self.limits)
        return self._step("cgroup", plan.joining(self._cgroup), "mkdir(2), write(2)", also=limits)

    def unshare(self, *kinds: str) -> model.Step:
        """New namespaces of these kinds, any of the eight; with "pid" or "time" a child goes on in its place."""
        for kind in kinds:
            request.one_of("kinds", kind, model.NAMESPACE_KINDS)
        if not kinds:
            raise BadRequest("kinds", "names nothing.", seen="()", remedy='a kind of namespaces(7), such as "uts"')
        flags = " | ".join(f"CLONE_NEW{'NS' if kind == 'mnt' else kind.upper()}" for kind in kinds)
        return self._step(f"unshare {' '.join(kinds)}", [("unshare", {"kinds": list(kinds)})], f"unshare(2) {flags}")

    def map_users(self) -> model.Step:
        """Say who the users of the new user namespace are outside, and become its user 0. The kernel takes it once."""
        self._needs("user", "would have nothing to map")
        before = photograph(self.pid, self._hostname)
        self._first_uid = wanted.FIRST_SUBORDINATE if self.asked.privileged else 0
        map_users(self.pid, self._first_uid, self.asked.privileged)
        return self._step(
            "map users", [plan.BECOME_ROOT], "write(2) to /proc/PID/uid_map and gid_map, setresuid(2)", before
        )

    def sethostname(self, name: str) -> model.Step:
        """Another host name, in its own uts namespace."""
        self._needs("uts", "would rename the host itself")
        return self._step("sethostname", [("sethostname", {"name": wanted.checked_name(name)})])

    def loopback(self) -> model.Step:
        """The interface `lo` of its own network namespace is up."""
        self._needs("net", "would change the host's interfaces")
        return self._step("loopback", [("loopback", {})])

    def overlay(self, read_only: bool = False) -> model.Step:
        """A root file system: the image below, never written to, and a tmpfs for changes above. Not yet the root."""
        self._needs("mnt", "would mount on the host")
        _, lower = layers(self._first_uid)
        arguments: dict[str, object] = {"lower": lower, "size_bytes": plan.TMPFS_BYTES, "read_only": read_only}
        step = self._step("overlay", [("overlay", arguments)])
        self._root = plan.OUTSIDE
        return step

    def proc(self) -> model.Step:
        """/proc of its own pid namespace, in the new root, or over the host's in its own mount namespace."""
        self._needs("mnt", "would mount on the host")
        return self._step("proc", [("proc", {"root": self._root, "bind": False})])

    def sysfs(self) -> model.Step:
        """/sys of its own network namespace, read-only."""
        self._needs("mnt", "would mount on the host")
        return self._step("sysfs", [("sysfs", {"root": self._root})])

    def mask(self) -> model.Step:
        """What /proc and /sys tell about the whole machine is hidden, and its settings there are read-only."""
        self._needs("mnt", "would mount on the host")
        return self._step("mask", [("mask", {"root": self._root})])

    def dev(self) -> model.Step:
        """A small /dev in the new root: after pivot_root() the host's devices are out of reach."""
        self._needs("mnt", "would mount on the host")
        return self._step("dev", [("dev", {"root": self._root})])

    def pivot_root(self) -> model.Step:
        """The new root file system is the root, and the host's is gone from its mount namespace."""
        if self._root != plan.OUTSIDE:
            raise BadRequest("root", "has not been made.", seen="no overlay", remedy="overlay() first")
        step = self._step("pivot_root", [("pivot_root", {})])
        self._root = plan.INSIDE
        return step

    def setuid(self, uid: int = wanted.READER) -> model.Step:
        """Its commands run as this user. The capabilities stay until they are dropped."""
        return self._step("setuid", [("setuid", {"uid": request.count("uid", uid, least=0, most=65_535)})])

    def no_new_privs(self) -> model.Step:
        """No program that it executes can gain rights."""
        return self._step("no_new_privs", [("no_new_privs", {})])

    def drop_capabilities(self, keep: Sequence[str] = ()) -> model.Step:
        """It has no capabilities but those in `keep`, named as in "NET_RAW", and can get no others."""
        kept = [kernel.CAPABILITIES.index(request.one_of("keep", name, kernel.CAPABILITIES)) for name in keep]
        return self._step("drop_capabilities", [("drop_capabilities", {"keep": kept})])

    def seccomp(self, deny: Collection[str] = tuple(seccomp_filter.DENIED)) -> model.Step:
        """These system calls fail with EPERM from now on. Needs `no_new_privs`, or the capability SYS_ADMIN."""
        for name in deny:
            request.one_of("deny", name, seccomp_filter.DENIED)
        if not seccomp_filter.available():
            raise Unavailable(
                "The numbers of this machine's system calls are not known here.",
                seen=kernel.host().machine,
                remedy="leave the filter out",
            )
        return self._step("seccomp", [("seccomp", {"program": seccomp_filter.program(deny).hex()})])

    def _make(self) -> None:
        self._do([])

    def _step(
        self,
        name: str,
        requests: list[Request],
        calls: str = "",
        before: dict[str, str] | None = None,
        also: tuple[model.Difference, ...] = (),
    ) -> model.Step:
        self._check_open()
        before = before or photograph(self.pid, self._hostname)
        self._do(requests)
        ms, changed = self.steps[-1].ms, differences(before, photograph(self.pid, self._hostname))
        step = model.Step(name, calls or self.steps[-1].calls, ms, also + changed)
        self.steps = (*self.steps[:-1], step)
        return step

    def _needs(self, kind: str, otherwise: str) -> None:
        """Raises BadRequest when it still is in the namespace of this process."""
        self._check_open()
        if kernel.namespaces(self.pid).get(kind) == kernel.namespaces(os.getpid()).get(kind):
            raise BadRequest(
                "step",
                f"{otherwise}.",
                seen=f"its {kind} namespace is the host's",
                remedy=f'unshare("{kind}") first',
            )
