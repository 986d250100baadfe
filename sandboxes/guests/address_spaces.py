"""QEMU's own list of what answers at which address of a guest."""

from __future__ import annotations

import re

from sandboxes.model import AddressSpace, MemoryRange

_SPACE = re.compile(r'^ AS "([^"]*)"', re.MULTILINE)
_RANGE = re.compile(
    r"^ +([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, ([^)]+)\): (.*?)(?: @[0-9a-f]{16})?(?: KVM)?$", re.MULTILINE
)
"""After a region's name may come the offset into it, and the accelerator that has registered it."""


def parse_address_spaces(mtree: str) -> tuple[AddressSpace, ...]:
    """Address spaces out of what QEMU's monitor prints for `info mtree -f`; none where nothing answers.

    Source: qemu-monitor(7), "info mtree"; the text is made by mtree_print_flatview() in softmmu/memory.c.
    """
    views = re.split(r"^FlatView #\d+$", mtree, flags=re.MULTILINE)[1:]
    spaces = (AddressSpace(tuple(_SPACE.findall(view)), _ranges(view)) for view in views)
    return tuple(space for space in spaces if space.ranges)


def _ranges(view: str) -> tuple[MemoryRange, ...]:
    return tuple(
        MemoryRange(int(first, 16), int(last, 16), kind, name) for first, last, kind, name in _RANGE.findall(view)
    )
