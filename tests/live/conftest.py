"""What a live test needs: without it, skipped with the reason on a reader's machine, a failure in CI."""

from __future__ import annotations

import os

import pytest

from sandboxes import bare, kernel
from sandboxes.containers import find_engine
from sandboxes.errors import StartFailed, Unavailable
from sandboxes.guests import found
from sandboxes.guests.xen.parts import prepare_xen
from sandboxes.lifecycle import owner


def _without(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def engine_ready() -> None:
    """A container engine answers or can be started."""
    try:
        find_engine()
    except Unavailable as error:
        _without(str(error))


@pytest.fixture(scope="session")
def guest_ready() -> None:
    """Every part of a guest is there."""
    if missing := found().missing:
        _without("; ".join(missing))


@pytest.fixture(scope="session")
def xen_ready(guest_ready: None) -> None:
    """Xen and what belongs to it are in the cache, or can be fetched."""
    try:
        prepare_xen(print)
    except Unavailable as error:
        _without(str(error))


@pytest.fixture(scope="session")
def cgroups_ready() -> None:
    """This user may make cgroups with limits."""
    try:
        kernel.remove_cgroup(kernel.make_cgroup(f"boundaries-{owner().id}/ready"))
    except Unavailable as error:
        _without(str(error))


@pytest.fixture(scope="session")
def bare_ready() -> None:
    """This user may make a container by hand: as root, or with a user namespace."""
    try:
        bare.container().close()
    except (Unavailable, StartFailed) as error:
        _without(str(error))
