"""Where guests keep what was fetched or made once."""

from __future__ import annotations

import contextlib
from pathlib import Path

from sandboxes.lifecycle import cache, cache_folder


def guests_folder() -> Path:
    """Where kernels, initramfs and what was learnt about the accelerator are kept."""
    folder = cache_folder() / "guests"
    folder.mkdir(exist_ok=True)
    return folder


def locked(name: str) -> contextlib.AbstractContextManager[None]:
    """One process at a time."""
    return cache.locked(guests_folder(), name)
