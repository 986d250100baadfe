"""What a process may still do: capabilities(7), seccomp(2), no_new_privs (prctl(2))."""

from __future__ import annotations

from sandboxes.kernel.reading import of, table
from sandboxes.model import CapabilitySets, IdRange, Privileges

CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)
"""Names by bit number, without CAP_ (include/uapi/linux/capability.h, Linux 5.9)."""

_SECCOMP = {"0": "disabled", "1": "strict", "2": "filter"}


def privileges(pid: int) -> Privileges:
    """What a process may still do, and who it is in the user namespaces. Raises SandboxGone."""
    return parse_privileges(of(pid, "status"), of(pid, "uid_map"), of(pid, "gid_map"))


def capabilities(pid: int) -> tuple[str, ...]:
    """The effective capabilities of a process, such as "CAP_CHOWN", by bit number."""
    return parse_capabilities(of(pid, "status"))


def seccomp_mode(pid: int) -> str:
    """ "disabled", "strict" or "filter"."""
    return parse_seccomp(of(pid, "status"))


def no_new_privileges(pid: int) -> bool:
    """True: no execve(2) by this process or its children can gain privileges (no_new_privs, prctl(2))."""
    return parse_no_new_privileges(of(pid, "status"))


def parse_privileges(status: str, uid_map: str, gid_map: str) -> Privileges:
    """From the texts of /proc/PID/{status,uid_map,gid_map}: proc_pid_status(5), user_namespaces(7)."""
    fields = table(status)
    filters = fields.get("Seccomp_filters")
    return Privileges(
        uid=int(fields["Uid"].split()[1]),
        gid=int(fields["Gid"].split()[1]),
        capabilities=parse_capability_sets(status),
        seccomp=parse_seccomp(status),
        seccomp_filters=int(filters) if filters is not None else None,
        no_new_privileges=parse_no_new_privileges(status),
        uid_map=parse_id_map(uid_map),
        gid_map=parse_id_map(gid_map),
    )


def parse_capability_sets(status: str) -> CapabilitySets:
    """The five sets of a thread (capabilities(7)); the ambient one came with Linux 4.3."""
    fields = table(status)
    return CapabilitySets(*(_names(fields[key]) for key in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")))


def parse_capabilities(status: str) -> tuple[str, ...]:
    """Names of the bits of CapEff in /proc/PID/status; a bit newer than this book is "CAP_<number>"."""
    return _names(table(status)["CapEff"])


def _names(mask: str) -> tuple[str, ...]:
    bits = int(mask, 16)
    return tuple(
        f"CAP_{CAPABILITIES[bit] if bit < len(CAPABILITIES) else bit}"
        for bit in range(bits.bit_length())
        if bits >> bit & 1
    )


def parse_id_map(content: str) -> tuple[IdRange, ...]:
    """Lines "INSIDE OUTSIDE COUNT"; OUTSIDE is in the reader's user namespace (user_namespaces(7))."""
    return tuple(IdRange(*(int(word) for word in line.split())) for line in content.splitlines())


def parse_seccomp(status: str) -> str:
    """The mode from the line "Seccomp:" (Linux 3.8); a kernel built without it has no such line."""
    return _SECCOMP[table(status).get("Seccomp", "0")]


def parse_no_new_privileges(status: str) -> bool:
    """From the line "NoNewPrivs:" (Linux 4.10)."""
    return table(status).get("NoNewPrivs") == "1"
