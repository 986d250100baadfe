"""What a reader may ask of a container made by hand; checked in full before anything starts."""

from __future__ import annotations

import functools
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sandboxes import request
from sandboxes.bare import filter as seccomp_filter
from sandboxes.errors import BadRequest, LimitIgnored
from sandboxes.kernel import host
from sandboxes.model import NAMESPACE_KINDS, Host, Limits

READER = 1000
"""The user `reader` of the image, who runs the commands unless `capabilities` is left out."""
FIRST_SUBORDINATE = 100_000
"""Where the users of a user namespace that root makes begin on this machine, as subuid(5) usually has it."""
USERS = 65_536
LEAST_MEMORY, LEAST_PIDS, MOST_PIDS = 4 << 20, 4, 32_768
DEFAULT: Literal["default"] = "default"
"""A limit that nobody asked for: the usual one where limits hold, and none elsewhere."""
DEFAULT_MEMORY, DEFAULT_CPUS, DEFAULT_PIDS = "128M", 0.5, 64

Memory = str | int | None
Cpus = float | Literal["default"] | None
Pids = int | Literal["default"] | None

PARTS = ("user", "mnt", "pid", "net", "uts", "ipc", "cgroup", "time", "capabilities", "seccomp")
"""What the finished container is made of; each can be left out."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,39}")


@dataclass(frozen=True)
class Wanted:
    """A container as asked for. `parts` are those of PARTS that it has; `privileged`: made by root."""

    name: str
    parts: frozenset[str]
    limits: Limits
    read_only: bool
    privileged: bool

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of namespaces that it has for itself."""
        return tuple(kind for kind in NAMESPACE_KINDS if kind in self.parts)

    @property
    def first_uid(self) -> int:
        """The user on this machine whom the container's user 0 is, as far as the image's files are concerned."""
        return FIRST_SUBORDINATE if "user" in self.parts and self.privileged else 0

    @property
    def uid(self) -> int:
        """Who runs the commands, by the container's own numbers; without privilege only user 0 can be mapped."""
        return READER if self.privileged and "capabilities" in self.parts else 0


def wanted(
    without: str | Sequence[str],
    memory: Memory,
    cpus: Cpus,
    pids: Pids,
    user: bool | None,
    time: bool,
    read_only: bool,
    name: str | None,
) -> Wanted:
    """Raises BadRequest, naming the argument, and LimitIgnored; nothing has been started then."""
    privileged = os.geteuid() == 0
    left_out = _parts(without)
    in_user_namespace = not privileged if user is None else request.yes_or_no("user", user)
    absent = set() if in_user_namespace else {"user"}
    absent |= set() if request.yes_or_no("time", time) else {"time"}
    absent |= set() if seccomp_filter.available() else {"seccomp"}
    parts = frozenset(PARTS) - left_out - absent
    if "user" not in parts and not privileged:
        raise BadRequest(
            "without" if "user" in left_out else "user",
            "leaves nothing that this user may do.",
            seen=f"user {os.geteuid()} without a user namespace may unshare nothing else",
            remedy="keep the user namespace, or run the book as root (user_namespaces(7))",
        )
    found = _asked_limits(memory, cpus, pids, here=can_limit() and "cgroup" in parts)
    return Wanted(checked_name(name), parts, found, request.yes_or_no("read_only", read_only), privileged)


def limits(memory: str | int | None, cpus: float | None, pids: int | None) -> Limits:
    """Limits in bytes, cores and processes; None: no limit. Raises BadRequest."""
    machine = _machine()
    return Limits(
        None if memory is None else request.size_bytes("memory", memory, least=LEAST_MEMORY, most=machine.memory_bytes),
        None if cpus is None else request.number("cpus", cpus, least=0.01, most=machine.cpus),
        None if pids is None else request.count("pids", pids, least=LEAST_PIDS, most=MOST_PIDS),
    )


@functools.cache
def _machine() -> Host:
    """Its size does not change while this process lives."""
    return host()


def can_limit() -> bool:
    """Whether this user may make cgroups: where none can be made there are no limits (cgroups(7), "Delegation")."""
    return os.geteuid() == 0


def check_can_limit(asked: Mapping[str, object]) -> None:
    """Raises LimitIgnored for a limit that would not hold."""
    given = [field for field, value in asked.items() if value not in (None, DEFAULT)]
    if given and not can_limit():
        raise LimitIgnored(
            f"A limit on {', '.join(given)} would not hold.",
            seen=f"user {os.geteuid()} may not make cgroups",
            remedy="run the book as root, or use sb.container() with an engine that may",
        )


def _asked_limits(memory: Memory, cpus: Cpus, pids: Pids, here: bool) -> Limits:
    """`here` False: no cgroup will be made. A limit that was asked for and would not hold is an error."""
    asked = {"memory": memory, "cpus": cpus, "pids": pids}
    check_can_limit(asked)
    given = [field for field, value in asked.items() if value not in (None, DEFAULT)]
    if given and not here:
        raise BadRequest(given[0], "needs a cgroup, and that is left out.", seen='without="cgroup"', remedy="keep it")
    if not here:
        return Limits(None, None, None)
    return limits(
        DEFAULT_MEMORY if memory == DEFAULT else memory,
        DEFAULT_CPUS if cpus == DEFAULT else cpus,
        DEFAULT_PIDS if pids == DEFAULT else pids,
    )


def _parts(without: str | Sequence[str]) -> frozenset[str]:
    words = (without,) if isinstance(without, str) else tuple(without)
    return frozenset(request.one_of("without", word, PARTS) for word in words)


def checked_name(name: str | None) -> str:
    """A host name; None gets one. Raises BadRequest."""
    if name is None:
        return f"bare-{secrets.token_hex(3)}"
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise BadRequest("name", "is no host name.", seen=repr(name)[:80], remedy="letters, digits, . - (at most 40)")
