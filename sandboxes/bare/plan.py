"""The steps from a process to a container, in their order, as requests to the process that will be it."""

from __future__ import annotations

from sandboxes.bare import filter as seccomp_filter
from sandboxes.bare.agent import Request
from sandboxes.bare.wanted import Wanted
from sandboxes.kernel import Cgroup

TMPFS_BYTES = 64 << 20
"""So much can be written into a container's file system; what is written counts as its memory."""
OUTSIDE, INSIDE = "top/root", ""
"""Where the new root is, before and after pivot_root(2)."""

CALLS = {
    "join_cgroup": 'write(2) of "0" to the cgroup\'s list of members',
    "unshare": "unshare(2)",
    "setuid": "setgroups(2), setresgid(2), setresuid(2)",
    "sethostname": "sethostname(2)",
    "loopback": "ioctl(2) SIOCSIFFLAGS",
    "overlay": "mount(2) tmpfs, mount(2) overlay",
    "proc": "mount(2) proc",
    "sysfs": "mount(2) sysfs",
    "mask": "mount(2) MS_BIND, mount(2) tmpfs",
    "dev": "mount(2) tmpfs, mount(2) MS_BIND",
    "pivot_root": "pivot_root(2), umount2(2)",
    "no_new_privs": "prctl(2) PR_SET_NO_NEW_PRIVS",
    "drop_capabilities": "prctl(2) PR_CAPBSET_DROP, capset(2)",
    "seccomp": "prctl(2) PR_SET_SECCOMP",
}
"""What each request comes to, with the sections of the manual."""


NEW_USERS: Request = ("unshare", {"kinds": ["user"]})
BECOME_ROOT: Request = ("setuid", {"uid": 0})
"""Between the two somebody outside has to say who the users of the new namespace are: users.map_users()."""


def rest(asked: Wanted, lower: str) -> list[Request]:
    """Everything but cgroup and users: what is apart, what is seen, and at last what may still be done."""
    parts = asked.parts
    requests: list[Request] = []
    if kinds := [kind for kind in asked.kinds if kind != "user"]:
        requests += [("unshare", {"kinds": kinds})]
    if "uts" in parts:
        requests += [("sethostname", {"name": asked.name})]
    if "net" in parts:
        requests += [("loopback", {})]
    if "mnt" in parts:
        requests += files(asked, lower)
    if "capabilities" in parts:
        requests += [("setuid", {"uid": asked.uid}), ("no_new_privs", {}), ("drop_capabilities", {"keep": []})]
    if "seccomp" in parts:
        requests += [("seccomp", {"program": seccomp_filter.program().hex()})]
    return requests


def files(asked: Wanted, lower: str) -> list[Request]:
    """Mounts. In a user namespace only what belongs to it can be mounted anew: the rest is the host's, bound."""
    own_proc = "user" not in asked.parts or "pid" in asked.parts
    own_sys = "user" not in asked.parts or "net" in asked.parts
    own: list[Request] = [("sysfs", {"root": OUTSIDE})] if own_sys else []
    return [
        ("overlay", {"lower": lower, "size_bytes": TMPFS_BYTES, "read_only": asked.read_only}),
        ("proc", {"root": OUTSIDE, "bind": not own_proc}),
        *own,
        ("mask", {"root": OUTSIDE}),
        ("dev", {"root": OUTSIDE}),
        ("pivot_root", {}),
    ]


def joining(cgroup: Cgroup | None) -> list[Request]:
    """Version 1 lets one thread move itself without waiting for all CPUs (`tasks`); version 2 moves processes."""
    if cgroup is None:
        return []
    lists = [folder / "tasks" for folder in dict.fromkeys(cgroup.v1.values())]
    lists += [cgroup.v2 / "cgroup.procs"] if cgroup.v2 else []
    return [("join_cgroup", {"files": [str(path) for path in lists]})]
