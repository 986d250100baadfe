"""What QEMU says about the code that it translates while it emulates (tcg)."""

from __future__ import annotations

import re

from sandboxes.model import Translation

_FIGURES = {
    "code": r"gen code size\s+(\d+)/(\d+)",
    "blocks": r"TB count\s+(\d+)",
    "expansion": r"expansion ratio: ([\d.]+)",
    "flushes": r"TB flush count\s+(\d+)",
    "invalidated": r"TB invalidate count\s+(\d+)",
}


def parse_translation(jit: str) -> Translation | None:
    """From what QEMU's monitor prints for `info jit`; None where it translates nothing, as under KVM.

    Source: qemu-monitor(7), "info jit"; the text is made by dump_exec_info() in accel/tcg/translate-all.c.
    """
    found = {name: re.search(pattern, jit) for name, pattern in _FIGURES.items()}
    seen = {name: match for name, match in found.items() if match}
    if seen.keys() != found.keys():
        return None
    return Translation(
        code_bytes=int(seen["code"][1]),
        code_limit_bytes=int(seen["code"][2]),
        blocks=int(seen["blocks"][1]),
        expansion=float(seen["expansion"][1]),
        flushes=int(seen["flushes"][1]),
        invalidated_blocks=int(seen["invalidated"][1]),
    )
