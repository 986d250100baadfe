"""The same needs as the live tests."""

from tests.live.conftest import bare_ready, engine_ready, guest_ready

__all__ = ["bare_ready", "engine_ready", "guest_ready"]
