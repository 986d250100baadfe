"""`./textbook bench`: our sandboxes against the plain tools, in turn, as ratios with intervals."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Column, Table

from book.bench import bare, containers, guests
from book.bench.row import Row, as_data
from book.console import console, note
from sandboxes.errors import SandboxError

LEAST_PAIRS = 15
ROWS: tuple[Row, ...] = (*containers.ROWS, *bare.ROWS, *guests.ROWS)


def bench(target: Path | None, *, pairs: int = LEAST_PAIRS, only: Sequence[str] = ()) -> int:
    """Measure every row, or those named, and print a table; with `target` write rows as JSON (to stdout for "-").

    A row that cannot be measured is told and left out: then 1 is returned, else 0.
    """
    found, failed = [], []
    for row in ROWS:
        if not only or row.id in only:
            note(f"{row.id}, {pairs} pairs")
            try:
                seen = row.measure(pairs, lambda text: console.print(f"  {text}", style="dim", markup=False))
            except SandboxError as error:
                note(f"{row.id} was not measured: {error}")
                failed.append(row.id)
                continue
            found.append(as_data(row, seen))
    console.print(_table(found))
    if target is not None:
        text = json.dumps(found, indent=2) + "\n"
        if target == Path("-"):
            sys.stdout.write(text)
        else:
            target.write_text(text)
    return 1 if failed else 0


def _table(found: Sequence[dict[str, Any]]) -> Table:
    widest = max((len(row["id"]) for row in found), default=0)
    table = Table(Column("row", min_width=widest, no_wrap=True), "ratio", "95 % interval", "wanted", "", "medians", "n")
    for row in found:
        spread = f"{row['low']:.2f} to {row['high']:.2f}"
        medians = " ÷ ".join(f"{statistics.median(row[side]['values']):,.4g}" for side in ("numerator", "denominator"))
        reached = ("✓" if row["reached"] else "✗") if row["target"] else ""
        unit = row["numerator"]["unit"]
        table.add_row(
            row["id"], f"{row['ratio']:.2f}", spread, row["target"], reached, f"{medians} {unit}", str(row["n"])
        )
    return table
