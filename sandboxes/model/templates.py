"""What guests start from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GuestTemplate:
    """A guest that was booted once and is kept on disk. `what` says in words which.

    `size_bytes` is what it takes of the disk, `used` when a process last loaded it (ISO 8601, UTC).
    """

    key: str
    what: str
    size_bytes: int
    used: str
