"""New namespaces: unshare(2). They are the caller's own and end with it."""

from __future__ import annotations

from sandboxes.model import Probe

_HARMLESS = "only the caller gets it, and it ends at once"


def _new(kind: str, flag: int, question: str, *capabilities: str) -> Probe:
    return Probe(
        f"new-{kind}-namespace",
        question,
        f"syscall unshare {flag}",
        "namespaces",
        _HARMLESS,
        reach="process",
        capabilities=capabilities,
    )


NAMESPACES = (
    _new("user", 0x10000000, "Can it make a user namespace?"),
    _new("mnt", 0x00020000, "Can it make a mount namespace?", "CAP_SYS_ADMIN"),
    _new("pid", 0x20000000, "Can it make a pid namespace?", "CAP_SYS_ADMIN"),
    _new("net", 0x40000000, "Can it make a network namespace?", "CAP_SYS_ADMIN"),
    Probe(
        "mount-in-new-namespace",
        "Can it mount in a user namespace of its own?",
        f"syscall unshare {0x10020000} , mount none /proc/self/ns tmpfs 0 no-such-option=1",
        "namespaces",
        "the namespaces end with the caller; when permitted, mount ends with EINVAL before anything is mounted",
        reach="process",
        proofs=("EINVAL",),
    ),
)
