"""Rows about guests."""

from __future__ import annotations

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


ROWS = (Row("guest-vs-stock-boot", vs_stock_boot),)
