"""One function that makes a machine ready, and is quick when it has been done before."""

from __future__ import annotations

from collections.abc import Sequence

from book import vendor
from book.console import step
from book.setup import packages
from sandboxes import guests


def prepare(also: Sequence[packages.Need] = ()) -> None:
    """Afterwards the pages can run: packages, browser libraries, guest kernel and initramfs.

    `also` names what only the tests or the bench need. The container image needs no step: it is made from this
    machine's busybox in milliseconds when first asked for.
    """
    packages.install([*packages.NEEDS, *also])
    with step("Browser libraries, checked by hash") as tell:
        vendor.fetch(tell)
    with step("Guest kernel and initramfs") as tell:
        guests.prepare(tell)
