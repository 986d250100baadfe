"""The same needs as the live tests; and an engine that stands for the reader's own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from sandboxes.containers.private import PrivateEngine
from sandboxes.lifecycle.guard import remove_cgroups
from tests.live.conftest import bare_ready, engine_ready, guest_ready
from tests.machine import births

__all__ = ["bare_ready", "engine_ready", "guest_ready", "shared"]


@pytest.fixture(scope="module")
def shared(engine_ready: None) -> Iterator[PrivateEngine]:
    """It belongs to no owner, as a reader's own engine would, and has its own namespaces. Use it by DOCKER_HOST."""
    if os.geteuid() != 0:
        pytest.skip("a second engine needs root")
    name = f"shared{secrets.token_hex(3)}"
    births().ids.add(name)
    engine = PrivateEngine(births().base / name, f"/boundaries-{name}", os.environ)
    try:
        yield engine
    finally:
        engine.api.close()
        engine.close()
        remove_cgroups(name)
