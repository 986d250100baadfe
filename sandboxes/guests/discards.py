"""Pages of a template's memory are not given up by one of the guests that map it: only that guest's own copies are.

When a balloon takes a page, QEMU punches a hole into the file of the guest's memory, by fallocate(2), and then drops
its own mapping of the page (ram_block_discard_range() in softmmu/physmem.c). The template's file is sealed, so that
the first would fail, and QEMU would not come to the second, which alone is wanted.
"""

from __future__ import annotations

import ctypes
import os
import struct

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ARCH_AT, _CALL_AT = 4, 0
_X86_64, _FALLOCATE = 0xC000003E, 285
_ALLOW, _SAY_ZERO = 0x7FFF0000, 0x00050000

_PROGRAM = (
    (_LOAD, 0, 0, _ARCH_AT),
    (_IF_EQUAL, 0, 2, _X86_64),
    (_LOAD, 0, 0, _CALL_AT),
    (_IF_EQUAL, 1, 0, _FALLOCATE),
    (_RETURN, 0, 0, _ALLOW),
    (_RETURN, 0, 0, _SAY_ZERO),
)
"""Code, jumps when true and false, operand: linux/filter.h, seccomp_data in linux/seccomp.h. SECCOMP_RET_ERRNO with
the number 0 makes a call succeed without being made (seccomp(2)).
"""


def punch_no_holes() -> None:
    """What this thread starts from now on does not punch holes into files, and believes that it does. Raises OSError.

    A filter belongs to a thread and its descendants (seccomp(2)); it can never be taken off, so the thread should end.
    """
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _PROGRAM))
    program = struct.pack("HP", len(_PROGRAM), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _MODE_FILTER, program, 0, 0)):
        if libc.prctl(*words):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
