"""The same needs as the live tests; and an engine that stands for the reader's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandboxes.containers.private import PrivateEngine
from tests.apart import engine_apart
from tests.live.conftest import bare_ready, engine_ready, guest_ready

__all__ = ["bare_ready", "engine_ready", "guest_ready", "shared"]


@pytest.fixture(scope="module")
def shared(engine_ready: None) -> Iterator[PrivateEngine]:
    """It belongs to no owner, as a reader's own engine would, and has its own namespaces. Use it by DOCKER_HOST."""
    with engine_apart() as engine:
        yield engine
