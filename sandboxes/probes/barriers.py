"""What can stand in the way of a call: one check a barrier, each with the fact that shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandboxes.kernel import find_shields
from sandboxes.model import NAMESPACE_KINDS, Mount, Probe, Standing

FIRST_USER_NAMESPACE = 4026531837
"""Its inode number is the same in every Linux kernel (include/linux/proc_ns.h, PROC_USER_INIT_INO)."""


@dataclass(frozen=True)
class Case:
    """A probe, the word it got, who asked, and the host to compare with.

    `built_in` is False when a place without a filter got ENOSYS from the same kernel, True when some place got the
    kernel's own word for the call, None when nobody can know.
    """

    probe: Probe
    word: str
    who: Standing
    host: Standing
    built_in: bool | None

    @property
    def path(self) -> str:
        """The file that the probe asks for; of cgroups it takes the first that are mounted."""
        if self.probe.touches == "cgroups":
            return next((one.target for one in self.who.mounts if one.fstype.startswith("cgroup")), "/sys/fs/cgroup")
        return self.probe.path or ""

    @property
    def device(self) -> bool:
        return self.path.startswith("/dev")


def covering(path: str, mounts: tuple[Mount, ...]) -> Mount | None:
    """The mount that shows `path`: the longest mount point above it, the last one when several are stacked."""
    above = [mount for mount in mounts if path == mount.target or path.startswith(mount.target.rstrip("/") + "/")]
    return max(enumerate(above), key=lambda pair: (len(pair[1].target), pair[0]))[1] if above else None


def capability(case: Case) -> str | None:
    """The process has none of the capabilities that the kernel asks for."""
    if not case.probe.capabilities or set(case.probe.capabilities) & set(case.who.privileges.capabilities.effective):
        return None
    return f"{' or '.join(case.probe.capabilities)} is not in CapEff"


def user_namespace(case: Case) -> str | None:
    """Its capabilities and its user 0 count for less than those of the first user namespace.

    A namespace of another kind asks for them in the user namespace that owns it (user_namespaces(7)): of the host's,
    that is not the caller's.
    """
    kind = case.probe.reach
    shared = kind in NAMESPACE_KINDS and case.who.namespaces.get(kind) == case.host.namespaces.get(kind)
    asked = case.probe.initial or case.path or case.word == "EINVAL" or (case.probe.capabilities and shared)
    if not asked or case.who.namespaces.get("user") == FIRST_USER_NAMESPACE:
        return None
    ranges = ", ".join(f"{one.inside} {one.outside} {one.count}" for one in case.who.privileges.uid_map)
    return f"its user namespace is not the first one; uid_map: {ranges}"


def seccomp(case: Case) -> str | None:
    """A filter is on. ENOSYS comes from it unless the kernel says the same without one."""
    if case.who.privileges.seccomp != "filter" or (case.word == "ENOSYS" and case.built_in is False):
        return None
    return "Seccomp: 2, a filter of system calls is on, and answers before the kernel does"


def namespace(case: Case) -> str | None:
    """It is in another namespace of the kind that divides such things."""
    kind = case.probe.reach
    own, hosts = case.who.namespaces.get(kind), case.host.namespaces.get(kind)
    if kind not in NAMESPACE_KINDS or own == hosts:
        return None
    return f"its {kind} namespace is {own}, the host's is {hosts}"


def own_kernel(case: Case) -> str | None:
    """Another kernel runs it: a namespace's number would mean nothing."""
    own, hosts = case.who.boot_id, case.host.boot_id
    return None if own == hosts else f"its kernel drew boot id {own}, the host's drew {hosts}"


def masked_path(case: Case) -> str | None:
    """The engine has mounted something over the file, or over a folder above it."""
    for shield in find_shields(case.who.mounts):
        if shield.how == "masked" and f"{case.path}/".startswith(f"{shield.path}/"):
            return f"{shield.mount.fstype} is mounted over {shield.path}"
    return None


def _read_only_mount(case: Case) -> str | None:
    mount = covering(case.path, case.who.mounts)
    read_only = mount and "ro" in (*mount.options, *mount.fs_options)
    return f"{mount.fstype} is mounted read-only at {mount.target}" if mount and read_only else None


def _mount_option(case: Case) -> str | None:
    """In /tmp a program is run, or a device file made and opened."""
    mount = covering("/tmp", case.who.mounts)  # noqa: S108 - in the place that is asked
    option = {"/tmp": "noexec", "/dev": "nodev"}.get(case.path)  # noqa: S108
    return f"{mount.fstype} is mounted {option} at {mount.target}" if mount and option in mount.options else None


def _missing_device(case: Case) -> str | None:
    return f"there is no {case.path}" if case.device else None


def _missing_file(case: Case) -> str | None:
    return f"there is no {case.path}" if case.path and not case.device and not masked_path(case) else None


def _device_cgroup(case: Case) -> str | None:
    if not case.device or capability(case) or "a *:* rwm" in case.who.devices:
        return None
    if case.who.devices:
        return f"devices.list of its cgroup has only {', '.join(case.who.devices)}"
    mount = covering("/sys/fs/cgroup", case.who.mounts)
    return "cgroups of version 2 filter devices" if mount and mount.fstype == "cgroup2" and namespace(case) else None


def _file_permission(case: Case) -> str | None:
    if case.path in ("", "/tmp") or "CAP_DAC_OVERRIDE" in case.who.privileges.capabilities.effective:  # noqa: S108 - there its file is its own
        return None
    return f"it asks as user {case.who.privileges.uid}, without CAP_DAC_OVERRIDE"


def _no_new_privileges(case: Case) -> str | None:
    return "NoNewPrivs: 1" if case.probe.touches == "privileges" and case.who.privileges.no_new_privileges else None


def _limit(case: Case) -> str | None:
    return "the kernel does not give this process more of it"


def _no_route(case: Case) -> str | None:
    return "no route leads there, so that nothing can be sent (ip-route(8))"


def _not_built_in(case: Case) -> str | None:
    return "without a filter this kernel says ENOSYS" if case.built_in is False else None


CHECKS: dict[str, Callable[[Case], str | None]] = {
    "capability": capability,
    "device cgroup": _device_cgroup,
    "file permission": _file_permission,
    "limit": _limit,
    "masked path": masked_path,
    "missing device": _missing_device,
    "missing file": _missing_file,
    "mount option": _mount_option,
    "namespace": namespace,
    "no new privileges": _no_new_privileges,
    "no route": _no_route,
    "not built in": _not_built_in,
    "own kernel": own_kernel,
    "read-only mount": _read_only_mount,
    "seccomp": seccomp,
    "user namespace": user_namespace,
}
"""By the names in model.BARRIERS; "policy" is what remains when none of them is there."""
