"""Rows about containers: against the docker command line, against each other, alone and in a crowd."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from book.bench.row import Row, Tell
from sandboxes import container, containers, doctor, measure
from sandboxes.containers import ContainerSandbox
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

CROWD = 20
COUNTING = "i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done"
COUNTS = 1_000_000
SAMPLES_HZ = 10


def cold_vs_cli(pairs: int, tell: Tell) -> Measurement:
    """Asking → first answered command, over `docker run` of the same image with the same flags → its end."""
    return measure.paired(
        "container-cold-vs-cli",
        ("container()", lambda: measure.start_ms(container)),
        ("docker run", _by_hand()),
        pairs=pairs,
        report=doctor(),
        tell=tell,
    )


def warm_vs_cli(pairs: int, tell: Tell) -> Measurement:
    """Taking a waiting container → first answered command, over `docker run` of the same; the pool is full before."""
    with containers.pool(1) as pool:

        def warm_ms() -> float:
            pool.wait()
            return measure.start_ms(pool.take)

        return measure.paired(
            "container-warm-vs-cli",
            ("pool.take()", warm_ms),
            ("docker run", _by_hand(pool)),
            pairs=pairs,
            report=doctor(),
            tell=tell,
        )


def hardened_vs_open(pairs: int, tell: Tell) -> Measurement:
    """What the hardened profile costs: asking → first answered command, over the same with Docker's own default."""
    return measure.paired(
        "container-hardened-vs-open",
        ("hardened", lambda: measure.start_ms(container)),
        ("open", lambda: measure.start_ms(lambda: container(profile="open"))),
        pairs=pairs,
        report=doctor(),
        tell=tell,
    )


def crowd_vs_one(pairs: int, tell: Tell) -> Measurement:
    """20 containers asked for at once, time until all have answered ÷ 20, over one alone."""
    return measure.paired(
        "containers-20-vs-one",
        (f"each of {CROWD}", _crowd_ms),
        ("one alone", lambda: measure.start_ms(container)),
        pairs=pairs,
        report=doctor(),
        tell=tell,
    )


def sampled_vs_alone(pairs: int, tell: Tell) -> Measurement:
    """Counts a second of a busy container while its cgroup is read ten times a second, over the same unobserved."""
    with container(cpus=None) as box:  # a quota would hold it back, and at its own times
        return measure.paired(
            "sampling-on-vs-off",
            ("sampled", lambda: _sampled_rate(box)),
            ("unobserved", lambda: _rate(box)),
            pairs=pairs,
            unit="counts/s",
            report=doctor(),
            tell=tell,
        )


ROWS = (
    Row("container-cold-vs-cli", cold_vs_cli, at_most=1.0),
    Row("container-warm-vs-cli", warm_vs_cli, at_most=0.2),
    Row("container-hardened-vs-open", hardened_vs_open, at_most=1.05),
    Row("containers-20-vs-one", crowd_vs_one, at_most=0.6),
    Row("sampling-on-vs-off", sampled_vs_alone, at_least=0.98),
)


def _by_hand(pool: containers.Pool | None = None) -> Callable[[], float]:
    """A function that times one `docker run` of the book's image on the engine that container() uses.

    A pool is full again before that: what it starts in the background must not make the other side slow.
    """
    docker = shutil.which("docker")
    if docker is None:
        raise Unavailable("This row needs the docker client.", seen="no docker on PATH", remedy="install docker.io")
    engine = containers.engine()
    command = [docker, "-H", engine.endpoint.url, "run", "--rm", *CLI_FLAGS, engine.ready_image(None), "true"]

    def run_ms() -> float:
        if pool:
            pool.wait()
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return (time.perf_counter() - began) * 1e3

    return run_ms


def _crowd_ms() -> float:
    with ExitStack() as closing, ThreadPoolExecutor(CROWD) as threads:

        def answer() -> None:
            closing.enter_context(container()).run(["true"])

        began = time.perf_counter()
        for asked in [threads.submit(answer) for _ in range(CROWD)]:
            asked.result()
        return (time.perf_counter() - began) * 1e3 / CROWD


def _rate(box: ContainerSandbox) -> float:
    return COUNTS / box.run(COUNTING, timeout_s=60).wall_ms * 1e3


def _sampled_rate(box: ContainerSandbox) -> float:
    with _sampling(box):
        return _rate(box)


@contextmanager
def _sampling(box: ContainerSandbox) -> Iterator[None]:
    done = threading.Event()

    def read() -> None:
        while not done.wait(1 / SAMPLES_HZ):
            box.sample()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        done.set()
        reader.join()
