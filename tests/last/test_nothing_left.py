"""The last test of the suite: the machine is as it was."""

from sandboxes.lifecycle import owner
from tests.machine import Photograph, settled


def test_the_suite_leaves_nothing_behind(before: Photograph) -> None:
    owner().close()
    assert settled(before) == {}
