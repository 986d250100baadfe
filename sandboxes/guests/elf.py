"""The few facts of an ELF file that decide whether it can be used here: elf(5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_PT_INTERP, _PT_NOTE = 3, 4
_PHYS32_ENTRY = 18


def is_elf(data: bytes) -> bool:
    return data[:4] == b"\x7fELF"


def is_static(data: bytes) -> bool:
    """A 64-bit program that asks for no loader, so that it runs where there are no libraries."""
    return is_elf(data) and not any(kind == _PT_INTERP for kind, _ in _segments(data))


def has_pvh_entry(data: bytes) -> bool:
    """QEMU can enter this kernel directly: it has the note XEN_ELFNOTE_PHYS32_ENTRY.

    Source: include/xen/interface/elfnote.h; Documentation/arch/x86/boot.rst names the protocol (PVH).
    """
    return is_elf(data) and any(
        name == b"Xen\0" and number == _PHYS32_ENTRY
        for kind, segment in _segments(data)
        if kind == _PT_NOTE
        for name, number in _notes(segment)
    )


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset, size, count = (struct.unpack_from(form, data, at)[0] for form, at in (("<Q", 32), ("<H", 54), ("<H", 56)))
    for number in range(count):
        kind, _, start, _, _, length = struct.unpack_from("<IIQQQQ", data, offset + number * size)
        yield kind, data[start : start + length] if kind == _PT_NOTE else b""


def _notes(segment: bytes) -> Iterator[tuple[bytes, int]]:
    at = 0
    while at + 12 <= len(segment):
        name_length, length, number = struct.unpack_from("<III", segment, at)
        yield segment[at + 12 : at + 12 + name_length], number
        at += 12 + -(-name_length // 4) * 4 + -(-length // 4) * 4
