"""An engine that belongs to no owner, as a reader's own would: no mark, its own namespaces. Use it by DOCKER_HOST."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandboxes.containers.private import PrivateEngine
from sandboxes.lifecycle.guard import remove_cgroups
from tests.machine import births


@contextmanager
def engine_apart(base: Path | None = None) -> Iterator[PrivateEngine]:
    """It runs, in a folder of `base` (the session's own, or one that other users can enter); afterwards it is gone."""
    if os.geteuid() != 0:
        pytest.skip("a second engine needs root")
    name = f"test{secrets.token_hex(3)}"
    births().ids.add(name)
    engine = PrivateEngine((base or births().base) / f"bnd-{name}", f"/boundaries-{name}", os.environ)
    try:
        yield engine
    finally:
        engine.api.close()
        engine.close()
        remove_cgroups(name)
