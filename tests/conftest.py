"""Order of the suite, the campaign length, and what the machine looked like before."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.machine import Photograph, births

ORDER = ("unit", "contract", "live", "faults", "bench", "book", "browser", "last")
PHOTOGRAPH = pytest.StashKey[Photograph]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: a long campaign; a tenth of it runs unless BOUNDARIES_SOAK is set")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that began this in the background ignores it
    births()
    config.stash[PHOTOGRAPH] = Photograph.take()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(here).parts[0]
        return ORDER.index(folder) if folder in ORDER else len(ORDER)

    items.sort(key=place)


@pytest.fixture(scope="session")
def before(pytestconfig: pytest.Config) -> Photograph:
    """The machine as it was before the first test."""
    return pytestconfig.stash[PHOTOGRAPH]


@pytest.fixture(scope="session")
def soak() -> bool:
    """Whether long campaigns run at their full length."""
    return bool(os.environ.get("BOUNDARIES_SOAK"))
