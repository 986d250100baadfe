"""`./textbook bench`: our sandboxes against the plain tools, in turn, as ratios with intervals."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.table import Table

from book.console import console, note
from sandboxes import container, containers, doctor, guest, guests, measure
from sandboxes.errors import Unavailable
from sandboxes.model import Measurement

CLI_FLAGS = (
    *("--init", "--log-driver", "none", "--restart", "no", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges:true", "--read-only"),
    *("--tmpfs", "/tmp:rw,noexec,nosuid,nodev,size=16m,mode=1777"),  # noqa: S108 - inside the container
    *("--tmpfs", "/run:rw,noexec,nosuid,nodev,size=4m,mode=1777"),
    *("--ipc", "private", "--cgroupns", "private", "--ulimit", "nofile=1024:1024", "--ulimit", "core=0:0"),
    *("--memory", "128m", "--memory-swap", str((128 << 20) + 4096), "--cpus", "0.5", "--pids-limit", "64"),
    *("--network", "none", "--user", "1000:1000"),
)
"""What `container()` asks of the engine, in the words of the docker command line; a test compares the two."""

LEAST_PAIRS = 15


def container_vs_cli(pairs: int, tell: Callable[[str], None]) -> Measurement:
    """Asking → first answered command, over `docker run` of the same image with the same flags → its end."""
    docker = shutil.which("docker")
    if docker is None:
        raise Unavailable("This row needs the docker client.", seen="no docker on PATH", remedy="install docker.io")
    engine = containers.engine()
    image = engine.ready_image(None)
    command = [docker, "-H", engine.endpoint.url, "run", "--rm", *CLI_FLAGS, image, "true"]

    def by_hand() -> float:
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return (time.perf_counter() - began) * 1e3

    return measure.paired(
        "container-vs-cli",
        ("container()", lambda: measure.start_ms(container)),
        ("docker run", by_hand),
        pairs=pairs,
        report=doctor(),
        tell=tell,
    )


def guest_vs_stock_boot(pairs: int, tell: Callable[[str], None]) -> Measurement:
    """Cold boot of our machine, over plain qemu-system-x86_64 with the stock kernel and its default machine."""
    return measure.paired(
        "guest-vs-stock-boot",
        ("guest()", lambda: measure.start_ms(guest)),
        ("plain QEMU", guests.stock_boot_ms),
        pairs=pairs,
        report=doctor(),
        tell=tell,
    )


ROWS: tuple[Callable[[int, Callable[[str], None]], Measurement], ...] = (container_vs_cli, guest_vs_stock_boot)


def as_row(seen: Measurement) -> dict[str, Any]:
    """One row as data: {id, numerator, denominator, ratio, low, high, n, host} and the medians behind it."""
    top, bottom = seen.samples
    host = {
        **dataclasses.asdict(seen.host),
        "busy_before": seen.busy_before,
        "date": seen.date,
        "engine": f"{seen.engine.name} {seen.engine.version} ({seen.engine.origin})" if seen.engine else None,
        "accelerator": seen.accelerator.name if seen.accelerator else None,
    }
    del host["hostname"]
    return {
        "id": seen.title,
        "numerator": {"name": top.name, "unit": top.unit, "values": top.values},
        "denominator": {"name": bottom.name, "unit": bottom.unit, "values": bottom.values},
        "ratio": seen.ratio.ratio,
        "low": seen.ratio.low,
        "high": seen.ratio.high,
        "n": seen.ratio.n,
        "host": host,
    }


def bench(target: Path | None, *, pairs: int = LEAST_PAIRS) -> int:
    """Measure every row; print a table, and with `target` write the rows as JSON (to stdout for "-")."""
    rows = []
    for row in ROWS:
        note(f"{row.__name__.replace('_', '-')}, {pairs} pairs")
        rows.append(as_row(row(pairs, lambda text: console.print(f"  {text}", style="dim", markup=False))))
    table = Table("row", "ratio", "95 % interval", "n")
    for found in rows:
        table.add_row(
            found["id"], f"{found['ratio']:.2f}", f"{found['low']:.2f} to {found['high']:.2f}", str(found["n"])
        )
    console.print(table)
    if target is not None:
        text = json.dumps(rows, indent=2) + "\n"
        if target == Path("-"):
            sys.stdout.write(text)
        else:
            target.write_text(text)
    return 0
