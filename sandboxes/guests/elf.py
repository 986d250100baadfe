"""The few facts of an ELF file that decide whether it can be used here: elf(5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP, _PT_NOTE = 1, 2, 3, 4
_DT_NEEDED, _DT_STRTAB = 1, 5
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


def interpreter(data: bytes) -> str | None:
    """The path of the loader that the program asks for, such as /lib64/ld-linux-x86-64.so.2."""
    if not is_elf(data):
        return None
    return next((path.rstrip(b"\0").decode() for kind, path in _segments(data) if kind == _PT_INTERP), None)


def libraries(data: bytes) -> tuple[str, ...]:
    """The names of the shared libraries that a 64-bit program or library asks for (DT_NEEDED)."""
    if not is_elf(data):
        return ()
    dynamic = [
        pair for kind, table in _segments(data) if kind == _PT_DYNAMIC for pair in struct.iter_unpack("<QQ", table)
    ]
    names = next((_offset(data, value) for tag, value in dynamic if tag == _DT_STRTAB), 0)
    return tuple(_text(data, names + value) for tag, value in dynamic if tag == _DT_NEEDED)


def _offset(data: bytes, address: int) -> int:
    """Where in the file lies what will be at this address."""
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for number in range(count):
        kind, _, start, at, _, length = struct.unpack_from("<IIQQQQ", data, table + number * size)
        if kind == _PT_LOAD and at <= address < at + length:
            return int(start + address - at)
    raise ValueError(f"nothing of the file is loaded at {address:#x}")


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset, size, count = (struct.unpack_from(form, data, at)[0] for form, at in (("<Q", 32), ("<H", 54), ("<H", 56)))
    for number in range(count):
        kind, _, start, _, _, length = struct.unpack_from("<IIQQQQ", data, offset + number * size)
        yield kind, b"" if kind == _PT_LOAD else data[start : start + length]


def _notes(segment: bytes) -> Iterator[tuple[bytes, int]]:
    at = 0
    while at + 12 <= len(segment):
        name_length, length, number = struct.unpack_from("<III", segment, at)
        yield segment[at + 12 : at + 12 + name_length], number
        at += 12 + -(-name_length // 4) * 4 + -(-length // 4) * 4
