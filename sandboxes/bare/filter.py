"""A small seccomp filter: a program for the kernel's BPF machine that refuses some calls with EPERM, seccomp(2)."""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Collection

DENIED = {  # name: number on x86_64, number on aarch64 (asm/unistd_64.h, asm-generic/unistd.h)
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "open_by_handle_at": (304, 265),
    "syslog": (103, 116),
    "acct": (163, 89),
}
"""Calls that Docker's default profile refuses to a container without capabilities as well (docker docs, "Seccomp")."""

_MACHINES = {"x86_64": (0xC000003E, 0, 56), "aarch64": (0xC00000B7, 1, 220)}  # AUDIT_ARCH_, column, clone
_CLONE3 = 435
_X32_BIT = 0x40000000
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEW* in the flags of clone(2); CLONE_NEWTIME is for clone3(2) only
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF_LD|W|ABS …
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000  # SECCOMP_RET_
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, little-endian


def available(machine: str = "") -> bool:
    """Whether the numbers of this machine's calls are known here."""
    return (machine or platform.machine()) in _MACHINES


def program(names: Collection[str] = tuple(DENIED), machine: str = "") -> bytes:
    """struct sock_filter after sock_filter: these calls fail with EPERM, as does clone(2) with new namespaces.

    clone3(2), whose flags a filter cannot see, fails with ENOSYS, so that the C library falls back to clone. Calls in
    another architecture's numbering fail with EPERM. Everything else is allowed.
    """
    architecture, column, clone = _MACHINES[machine or platform.machine()]
    refused = [DENIED[name][column] for name in names]
    tail = [
        _instruction(_JUMP_EQUAL, clone, 0, 2),
        _instruction(_LOAD, _FIRST_ARGUMENT),
        _instruction(_JUMP_ANY_BIT, _NEW_NAMESPACES, 1, 0),
        _instruction(_RETURN, _ALLOW),
        _instruction(_RETURN, _ERRNO | errno.EPERM),
        _instruction(_RETURN, _ERRNO | errno.ENOSYS),
    ]
    to_eperm, to_enosys = len(tail) - 2, len(tail) - 1
    checks = [(_JUMP_EQUAL, _CLONE3, to_enosys), (_JUMP_AT_LEAST, _X32_BIT, to_eperm)]
    checks += [(_JUMP_EQUAL, number, to_eperm) for number in refused]
    jumps = [
        _instruction(kind, value, len(checks) - 1 - index + target, 0)
        for index, (kind, value, target) in enumerate(checks)
    ]
    start = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_JUMP_EQUAL, architecture, 1, 0),
        _instruction(_RETURN, _ERRNO | errno.EPERM),
        _instruction(_LOAD, _NUMBER),
    ]
    return b"".join([*start, *jumps, *tail])


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """struct sock_filter of linux/filter.h: code, two relative jumps, one number."""
    return struct.pack("HBBI", code, if_true, if_false, value)
