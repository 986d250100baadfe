"""The same needs as the live tests."""

from tests.live.conftest import engine_ready, guest_ready

__all__ = ["engine_ready", "guest_ready"]
