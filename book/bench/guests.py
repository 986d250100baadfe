"""Rows about guests."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from book.bench.row import Row, Tell
from sandboxes import containers, doctor, guest, guests, measure
from sandboxes.errors import Unavailable
from sandboxes.model import Measurement

CROWD, SPAWNERS = 20, 2


def vs_stock_boot(pairs: int, tell: Tell) -> Measurement:
    """Asking → first answered command, over the same of plain qemu-system-x86_64 and the stock kernel."""
    return _paired("guest-vs-stock-boot", ("guest()", _asked), ("plain QEMU", guests.stock_boot_ms), pairs, tell)


def vs_docker_run(pairs: int, tell: Tell) -> Measurement:
    """Asking → first answered command, over `docker run` without network → its end."""
    return _paired("guest-vs-docker-run", ("guest()", _asked), ("docker run", _docker_run()), pairs, tell)


def tuned_vs_stock_boot(pairs: int, tell: Tell) -> Measurement:
    """A cold boot as we do it, of the usual board → first answered command, over plain QEMU's until its own."""
    names = "guest-tuned-vs-stock-boot", ("guest(cold=True)", _booted), ("plain QEMU", guests.stock_boot_ms)
    return _paired(*names, pairs, tell)


def crowd_vs_stock_boot(pairs: int, tell: Tell) -> Measurement:
    """20 guests until all have answered, asked for by two threads, over one boot of plain QEMU."""
    names = "guests-20-vs-stock-boot", (f"{CROWD} guests", _crowd_ms), ("plain QEMU", guests.stock_boot_ms)
    return _paired(*names, pairs, tell)


def pss_vs_plain(pairs: int, tell: Tell) -> Measurement:
    """Memory of each of 20 guests that share a template, over that of one that was booted (PSS)."""
    return _paired("guest-pss-vs-plain", (f"each of {CROWD}", _crowd_mib), ("booted", _booted_mib), pairs, tell, "MiB")


def second_vs_first(pairs: int, tell: Tell) -> Measurement:
    """The second command in a running guest, over its first."""
    return _paired("guest-second-vs-first", ("second", lambda: _run_ms(2)), ("first", lambda: _run_ms(1)), pairs, tell)


def rollback_vs_tuned_boot(pairs: int, tell: Tell) -> Measurement:
    """A running guest goes back to a snapshot and answers, over a cold boot of our machine to its first answer."""
    with guest() as running, running.snapshot() as snapshot:

        def rolled_back_ms() -> float:
            begun = time.perf_counter()
            running.rollback(snapshot)
            running.run("true")
            return (time.perf_counter() - begun) * 1000

        names = "guest-rollback-vs-tuned-boot", ("rollback()", rolled_back_ms), ("guest(cold=True)", _booted)
        return _paired(*names, pairs, tell)


ROWS = (
    Row("guest-vs-stock-boot", vs_stock_boot, at_most=0.08),
    Row("guest-vs-docker-run", vs_docker_run, at_most=0.8),
    Row("guest-tuned-vs-stock-boot", tuned_vs_stock_boot, at_most=0.65),
    Row("guests-20-vs-stock-boot", crowd_vs_stock_boot, at_most=1.1),
    Row("guest-pss-vs-plain", pss_vs_plain, at_most=0.3),
    Row("guest-second-vs-first", second_vs_first),
    Row("guest-rollback-vs-tuned-boot", rollback_vs_tuned_boot, at_most=0.35),
)


def _paired(
    title: str, top: measure.Quantity, bottom: measure.Quantity, pairs: int, tell: Tell, unit: str = "ms"
) -> Measurement:
    return measure.paired(title, top, bottom, pairs=pairs, unit=unit, report=doctor(), tell=tell)


def _asked() -> float:
    return measure.start_ms(guest)


def _booted() -> float:
    return measure.start_ms(lambda: guest(cold=True))


def _docker_run() -> Callable[[], float]:
    """A function that times one `docker run` of the book's image on the engine that container() uses."""
    docker = shutil.which("docker")
    if docker is None:
        raise Unavailable("This row needs the docker client.", seen="no docker on PATH", remedy="install docker.io")
    engine = containers.engine()
    flags = ("--rm", "--network", "none")
    command = [docker, "-H", engine.endpoint.url, "run", *flags, engine.ready_image(None), "true"]

    def run_ms() -> float:
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return (time.perf_counter() - began) * 1e3

    return run_ms


def _crowd_ms() -> float:
    with _crowd() as (_, took_ms):
        return took_ms


def _crowd_mib() -> float:
    with _crowd() as (crowd, _):
        return sum(one.facts().pss_bytes for one in crowd) / len(crowd) / (1 << 20)


def _booted_mib() -> float:
    with guest(cold=True) as one:
        one.run(["true"])
        return one.facts().pss_bytes / (1 << 20)


@contextmanager
def _crowd() -> Iterator[tuple[list[guests.GuestSandbox], float]]:
    """Guests that have answered one command each, and the milliseconds until all had."""
    with ExitStack() as closing, ThreadPoolExecutor(SPAWNERS) as threads:

        def answered() -> guests.GuestSandbox:
            one = closing.enter_context(guest())
            one.run(["true"])
            return one

        began = time.perf_counter()
        crowd = [asked.result() for asked in [threads.submit(answered) for _ in range(CROWD)]]
        yield crowd, (time.perf_counter() - began) * 1e3


def _run_ms(which: int) -> float:
    """How long that command in a guest takes, counted from 1."""
    with guest() as one:
        return [one.run(["true"]).wall_ms for _ in range(which)][-1]
