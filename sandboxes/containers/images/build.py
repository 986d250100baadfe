"""Build an image in the engine, bounded in time, and for what RUN starts without a network, and bounded in memory and
processors where the engine enforces limits."""

from __future__ import annotations

import contextlib
import io
import re
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import docker

from sandboxes.containers.client import Engine
from sandboxes.containers.images import context, instructions
from sandboxes.containers.images.stream import events
from sandboxes.errors import BuildFailed, RunTimeout
from sandboxes.lifecycle import LABEL
from sandboxes.model import BuildStep

MEMORY_BYTES = 512 << 20
CPU_PERIOD_USEC = 100_000
OUR_DOCKERFILE = ".boundaries.Dockerfile"
TAIL_LINES = 12
KEPT_LINES, LINE_LENGTH = 200, 500
"""What is kept of a step's output: a step may print without end."""

_STEP = re.compile(r"step \d+/\d+ ?: (.*)", re.IGNORECASE)
_CACHED = re.compile(r" ?-+> Using cache")
_NOISE = re.compile(r" ?-+> .*|Removing intermediate container .*|Successfully (built|tagged) .*|COMMIT.*|")


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""Docker's builder paints what a command wrote to its standard error."""


@dataclass
class Step:
    """An instruction while it is carried out."""

    instruction: str
    cached: bool = False
    output: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))


def build(
    engine: Engine, text: str, files: Mapping[str, bytes], name: str, timeout_s: float
) -> tuple[tuple[BuildStep, ...], float]:
    """The engine has the image under `name`; its steps, and the milliseconds it took.

    `text` has been checked. Raises BuildFailed, RunTimeout, StartFailed when an image that it starts from is not there,
    docker.errors.APIError.
    """
    resolved = instructions.resolved(text, engine.ready_image, engine.owner.label)
    ignore = files.get(".dockerignore", b"") + f"\n{OUR_DOCKERFILE}\n.dockerignore\n".encode()
    tar = context.packed({**files, OUR_DOCKERFILE: resolved.encode(), ".dockerignore": ignore})
    begun = time.monotonic()
    told = events(engine.api, "/build", io.BytesIO(tar), _asked(engine, name), timeout_s=timeout_s)
    steps: list[Step] = []
    try:
        with contextlib.closing(told):
            follow(told, steps)
    except docker.errors.APIError as error:
        if error.status_code != 400:
            raise
        raise BuildFailed(
            "The engine does not understand the Dockerfile.",
            seen=str(error.explanation)[-500:],
            remedy="correct this line; the engine's own builder knows no instructions of BuildKit",
        ) from error
    except RunTimeout as late:
        raise RunTimeout(late.what.replace("The engine", "The build"), seen=_last(steps), remedy=late.remedy) from late
    took_ms = (time.monotonic() - begun) * 1000
    done = (BuildStep(step.instruction, step.cached, "\n".join(step.output)) for step in _asked_for(steps))
    return tuple(done), took_ms


def _asked(engine: Engine, name: str) -> dict[str, Any]:
    """Query of the Engine API, "Build an image". A limit that this engine ignores is left out: it is no promise."""
    asked: dict[str, Any] = {"t": name, "dockerfile": OUR_DOCKERFILE, "networkmode": "none", "rm": 1, "forcerm": 1}
    facts = engine.facts()
    if facts.memory_limit:
        asked |= {"memory": MEMORY_BYTES, "memswap": MEMORY_BYTES}
    if facts.cpu_limit:
        asked |= {"cpuperiod": CPU_PERIOD_USEC, "cpuquota": CPU_PERIOD_USEC}
    return asked


def follow(told: Iterator[dict[str, Any]], steps: list[Step]) -> None:
    """Put what the engine tells into `steps`. Raises BuildFailed at the error that it tells."""
    for event in told:
        if "error" in event:
            _failed(str(event["error"]), steps)
        for line in _COLOUR.sub("", str(event.get("stream") or "")).splitlines():
            if begins := _STEP.fullmatch(line):
                steps.append(Step(begins[1]))
            elif steps and _CACHED.match(line):
                steps[-1].cached = True
            elif steps and not _NOISE.fullmatch(line):
                steps[-1].output.append(line[:LINE_LENGTH])


def _failed(said: str, steps: list[Step]) -> NoReturn:
    log = "\n".join(list(steps[-1].output)[-TAIL_LINES:]) if steps else ""
    raise BuildFailed(
        "The image was not built.",
        seen=f"{_last(steps)}: {said.strip()[-500:]}" + (f"; the end of its output:\n{log}" if log else ""),
        remedy="correct this step; the ones before it are cached",
    )


def _asked_for(steps: list[Step]) -> list[Step]:
    """All but the labels that were put in."""
    return [step for step in steps if not step.instruction.startswith(f'LABEL "{LABEL}"')]


def _last(steps: list[Step]) -> str:
    asked = _asked_for(steps)
    return f"step {len(asked)}, {asked[-1].instruction}" if asked else "before the first step"
