"""The places that a command can run in, and one command in several of them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence

from sandboxes import kernel, request
from sandboxes.errors import RunTimeout, SandboxGone, StartFailed
from sandboxes.lifecycle import Closing, owner
from sandboxes.model import Cpuid, Host, Namespaces, Place, Result, Twin

HOST_OUTPUT_BYTES = 16 << 20


class HostPlace(Closing):
    """The reader's own machine. What runs here is not isolated at all: it is the thing to compare with."""

    kind = "host"
    name = "host"

    def run(self, command: str | Sequence[str], *, timeout_s: float = 30.0) -> Result:
        """Run a command as this user and wait. Output beyond 16 MiB is cut; a command past its deadline is killed.

        Raises BadRequest, RunTimeout, or StartFailed when there is no such program.
        """
        words = request.argv(command)
        request.number("timeout_s", timeout_s, least=0.001, most=86_400)
        began = time.perf_counter()
        try:
            done = subprocess.run(
                words, capture_output=True, timeout=timeout_s, env=owner().environment(), check=False, cwd="/"
            )
        except subprocess.TimeoutExpired as late:
            raise RunTimeout(
                f"A command on the host did not end within {timeout_s:g} s and was killed.",
                seen=" ".join(words)[:200],
                remedy="give it more time with timeout_s=…",
            ) from late
        except OSError as error:
            raise StartFailed(
                "The host could not run this command.", seen=str(error), remedy="check the name of the program"
            ) from error
        wall_ms = (time.perf_counter() - began) * 1e3
        out, err = (text[:HOST_OUTPUT_BYTES].decode(errors="replace") for text in (done.stdout, done.stderr))
        status = done.returncode if done.returncode >= 0 else 128 - done.returncode
        return Result(words, status, out, err, wall_ms, self.name)

    def namespaces(self) -> Namespaces:
        """Those of this Python process (namespaces(7)): on a usual machine the initial ones."""
        me = kernel.process(os.getpid())
        return Namespaces(self.name, self.kind, me.name, me.pid, kernel.boot_id(), me.namespaces)

    def cpuid(self) -> Cpuid:
        """What a program on this machine is told by the instruction CPUID. Raises Unavailable where there is none."""
        return kernel.cpuid()

    def facts(self) -> Host:
        """System, kernel, CPUs, memory, cgroup version."""
        return kernel.host()

    def close(self) -> None:
        """Nothing happens: the host was there before."""


def host() -> HostPlace:
    """The machine that this Python process runs on, as a place for comparison. Nothing is started, and nothing raised.

    Source of its facts: uname(2), proc(5), namespaces(7), cgroups(7).
    """
    return HostPlace()


def twin(command: str | list[str], *places: Place) -> Twin:
    """Run one command in each place, one after the other, and say which lines are not the same everywhere.

    A place that is gone or too slow answers with exit code -1 and its error as stderr, so that the others still show.
    Raises BadRequest for a bad command or no place at all. Source of the answers: the places' own kernels.
    """
    words = request.argv(command)
    request.count("places", len(places), least=1, most=12)
    results = tuple(_answer(place, command) for place in places)
    columns = [result.stdout.splitlines() for result in results]
    longest = max(len(column) for column in columns)
    differing = tuple(
        i for i in range(longest) if len({column[i] if i < len(column) else None for column in columns}) > 1
    )
    return Twin(command if isinstance(command, str) else " ".join(words), results, differing)


def _answer(place: Place, command: str | list[str]) -> Result:
    try:
        return place.run(command)
    except (RunTimeout, SandboxGone) as error:
        return Result(request.argv(command), -1, "", str(error), 0.0, place.name)
