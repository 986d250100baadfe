"""What an ELF program runs on, and whether it needs a loader: elf(5)."""

from __future__ import annotations

import struct

_MACHINES = {3: "i386", 8: "mips", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv"}
_PT_INTERP = 3


def machine(head: bytes) -> str:
    """The machine in the first 20 bytes of an ELF file, in the words of uname(1); "" for anything else."""
    if head[:4] != b"\x7fELF" or len(head) < 20:
        return ""
    order = "<" if head[5] == 1 else ">"
    (number,) = struct.unpack_from(f"{order}H", head, 18)
    return _MACHINES.get(number, f"machine {number}")


def is_static(program: bytes) -> bool:
    """No program header asks for an interpreter (PT_INTERP). False for anything that is no 64-bit ELF file."""
    if program[:6] != b"\x7fELF\x02\x01":
        return False
    (offset,) = struct.unpack_from("<Q", program, 32)
    size, count = struct.unpack_from("<HH", program, 54)
    kinds = (struct.unpack_from("<I", program, offset + index * size)[0] for index in range(count))
    return _PT_INTERP not in kinds
