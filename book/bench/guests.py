"""Rows about guests."""

from __future__ import annotations

import time

from book.bench.row import Row, Tell
from sandboxes import doctor, guest, guests, measure
from sandboxes.model import Measurement


def vs_stock_boot(pairs: int, tell: Tell) -> Measurement:
    """Cold boot of our machine, over plain qemu-system-x86_64 with the stock kernel and its default machine."""
    return measure.paired(
        "guest-vs-stock-boot",
        ("guest()", lambda: measure.start_ms(guest)),
        ("plain QEMU", guests.stock_boot_ms),
        pairs=pairs,
        report=doctor(),
        tell=tell,
    )


def rollback_vs_tuned_boot(pairs: int, tell: Tell) -> Measurement:
    """A running guest goes back to a snapshot and answers, over a cold boot of our machine to its first answer."""
    with guest() as running, running.snapshot() as snapshot:

        def rolled_back_ms() -> float:
            begun = time.perf_counter()
            running.rollback(snapshot)
            running.run("true")
            return (time.perf_counter() - begun) * 1000

        return measure.paired(
            "guest-rollback-vs-tuned-boot",
            ("rollback()", rolled_back_ms),
            ("guest()", lambda: measure.start_ms(guest)),
            pairs=pairs,
            report=doctor(),
            tell=tell,
        )


ROWS = (
    Row("guest-vs-stock-boot", vs_stock_boot),
    Row("guest-rollback-vs-tuned-boot", rollback_vs_tuned_boot),
)
