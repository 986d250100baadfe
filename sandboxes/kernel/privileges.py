"""What a process may still do: capabilities(7), seccomp(2), no_new_privs (prctl(2))."""

from __future__ import annotations

from sandboxes.kernel.reading import of, table

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


def capabilities(pid: int) -> tuple[str, ...]:
    """The effective capabilities of a process, such as "CAP_CHOWN", by bit number."""
    return parse_capabilities(of(pid, "status"))


def seccomp_mode(pid: int) -> str:
    """ "disabled", "strict" or "filter"."""
    return parse_seccomp(of(pid, "status"))


def no_new_privileges(pid: int) -> bool:
    """True: no execve(2) by this process or its children can gain privileges (no_new_privs, prctl(2))."""
    return parse_no_new_privileges(of(pid, "status"))


def parse_capabilities(status: str) -> tuple[str, ...]:
    """Names of the bits of CapEff in /proc/PID/status; a bit newer than this book is "CAP_<number>"."""
    bits = int(table(status)["CapEff"], 16)
    return tuple(
        f"CAP_{CAPABILITIES[bit] if bit < len(CAPABILITIES) else bit}"
        for bit in range(bits.bit_length())
        if bits >> bit & 1
    )


def parse_seccomp(status: str) -> str:
    """The mode from the line "Seccomp:" (Linux 3.8); a kernel built without it has no such line."""
    return _SECCOMP[table(status).get("Seccomp", "0")]


def parse_no_new_privileges(status: str) -> bool:
    """From the line "NoNewPrivs:" (Linux 4.10)."""
    return table(status).get("NoNewPrivs") == "1"
