"""What a reader may ask for: every argument is checked here, before anything starts."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence

from sandboxes.errors import BadRequest

COMMAND_BYTES = 128 * 1024
"""One argument of execve(2) holds 32 pages at the most (MAX_ARG_STRLEN)."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"([0-9]{1,15})\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


def argv(command: str | Sequence[str], field: str = "command") -> tuple[str, ...]:
    """A text becomes ("sh", "-c", text), a sequence of words is taken as it is."""
    if isinstance(command, str):
        words: tuple[str, ...] = ("sh", "-c", command)
        empty = not command.strip()
    elif isinstance(command, Sequence) and all(isinstance(word, str) for word in command):
        words = tuple(command)
        empty = not words or not words[0]
    else:
        raise BadRequest(
            field, "is neither text nor a list of words.", seen=_short(command), remedy='"ls -l /" or ["ls", "-l", "/"]'
        )
    if empty:
        raise BadRequest(field, "is empty.", seen=_short(command), remedy='name a program, such as "uname -r"')
    for word in words:
        if "\0" in word:
            raise BadRequest(
                field, "holds a NUL byte.", seen=_short(word), remedy="execve(2) ends words at NUL: remove it"
            )
        if len(word.encode(errors="surrogatepass")) >= COMMAND_BYTES:
            raise BadRequest(
                field,
                "is longer than the kernel takes.",
                seen=f"{len(word):,} characters in one word",
                remedy=f"keep each word under {COMMAND_BYTES:,} bytes, or read the data from a file",
            )
    return words


def size_bytes(field: str, value: str | int, *, least: int, most: int) -> int:
    """Bytes from 134217728, "128M" or "128 MiB" (powers of 1024). Raises BadRequest outside `least`..`most`."""
    size: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        size = int(match[1]) * _UNITS[match[2].upper()]
    if size is None:
        raise BadRequest(
            field, "is not a size.", seen=_short(value), remedy='a number of bytes, or text such as "128M"'
        )
    if not least <= size <= most:
        raise BadRequest(
            field,
            "is out of range here.",
            seen=_short(value),
            remedy=f"from {least >> 20} MiB to {most >> 20} MiB on this machine",
        )
    return size


def number(field: str, value: float, *, least: float, most: float) -> float:
    """A finite real number in `least`..`most`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRequest(field, "is not a finite number.", seen=_short(value), remedy=f"from {least:g} to {most:g}")
    if not least <= value <= most:
        raise BadRequest(field, "is out of range here.", seen=_short(value), remedy=f"from {least:g} to {most:g}")
    return float(value)


def count(field: str, value: int, *, least: int, most: int) -> int:
    """A whole number in `least`..`most`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRequest(field, "is not a whole number.", seen=_short(value), remedy=f"from {least} to {most}")
    return int(number(field, value, least=least, most=most))


def one_of(field: str, value: str, choices: Collection[str]) -> str:
    """One of the given words."""
    if not isinstance(value, str) or value not in choices:
        raise BadRequest(field, "is not a choice.", seen=_short(value), remedy="one of " + ", ".join(sorted(choices)))
    return value


def yes_or_no(field: str, value: bool) -> bool:
    """A bool, and nothing that merely looks like one."""
    if not isinstance(value, bool):
        raise BadRequest(field, "is neither True nor False.", seen=_short(value), remedy="True or False")
    return value


def _short(value: object) -> str:
    text = (
        repr(value)
        if not isinstance(value, str) or len(value) < 200
        else repr(value[:60]) + f"… ({len(value):,} characters)"
    )
    return text if len(text) <= 120 else text[:117] + "…"
