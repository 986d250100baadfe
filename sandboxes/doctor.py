"""What sandboxes will run on here, found out without starting any but a trial of each kind, once."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime

from sandboxes import containers, guests, kernel
from sandboxes.errors import GuestUnavailable, SandboxError
from sandboxes.model import Accelerator, Engine, Problem, Report, Tier

QEMU_VERSION_S = 10.0


def doctor() -> Report:
    """Host, container engine, accelerator and guest parts, and a problem for each thing that is missing.

    No engine is started. The first call on a machine may run one tiny container with crun, to learn whether crun works
    here (0.1 s), and the first call after it booted one canary guest, to learn whether KVM does (5 s at the most);
    their verdicts are kept. What is missing is a problem in the report,
    nothing is raised. Source: proc(5), cgroups(7), the engine's /version and /info, QEMU's own words.
    """
    problems: list[Problem] = []
    tiers = _tiers(problems)
    engine = _engine(tiers, problems) if tiers else None
    parts = guests.found()
    problems += _missing(parts)
    return Report(
        host=kernel.host(),
        engine=engine,
        accelerator=_accelerator(parts, problems),
        guest=_guest(parts, problems),
        problems=tuple(problems),
        date=datetime.now(UTC).isoformat(timespec="minutes"),
        pools=containers.pool_costs(),
        tiers=tiers,
        templates=guests.templates(),
        templates_folder=str(guests.templates_folder()),
    )


def _tiers(problems: list[Problem]) -> tuple[Tier, ...]:
    try:
        return containers.find_tiers()
    except SandboxError as error:  # BOUNDARIES_ENGINE names none
        problems.append(_problem(error))
        return ()


def _engine(tiers: Sequence[Tier], problems: list[Problem]) -> Engine | None:
    engine = next((tier.engine for tier in tiers if tier.state == "chosen"), None)
    if engine is None:
        seen = "; ".join(f"{tier.name}: {tier.why}" for tier in tiers if tier.state == "not here")
        remedy = "; or ".join(dict.fromkeys(tier.remedy for tier in tiers if tier.remedy))
        problems.append(Problem("No container engine answers, and none can be started here.", seen, remedy))
        return None
    ignored = sorted({"cpu", "memory", "pids"} - engine.enforces)
    if ignored:
        seen = f"{engine.name} {engine.version}, cgroups {engine.cgroup_version}, rootless: {engine.rootless}"
        remedy = "run the book as root: its private engine enforces them; asking for such a limit is an error here"
        problems.append(Problem(f"The engine does not enforce limits on {', '.join(ignored)}.", seen, remedy))
    return engine


def _accelerator(parts: guests.GuestParts, problems: list[Problem]) -> Accelerator | None:
    if parts.accelerator or parts.missing or parts.kernel is None:
        return parts.accelerator
    try:
        return guests.choose_accelerator(parts.kernel)
    except SandboxError as error:
        problems.append(_problem(error))
        return None


def _missing(parts: guests.GuestParts) -> list[Problem]:
    there = (
        ("QEMU", parts.qemu),
        ("a static busybox", parts.busybox),
        ("the guest's kernel", parts.kernel),
        ("a compiler for the guest's agent", parts.compiler),
    )
    absent = [name for name, part in there if part is None]
    return [
        Problem("Guests cannot start yet.", f"{name} is missing", remedy)
        for name, remedy in zip(absent, parts.missing, strict=True)
    ]


def _version(qemu: str) -> str:
    try:
        done = subprocess.run([qemu, "--version"], capture_output=True, text=True, timeout=QEMU_VERSION_S, check=False)
    except subprocess.TimeoutExpired as late:
        raise GuestUnavailable(
            "QEMU does not say its version.", seen=f"no answer within {QEMU_VERSION_S} s: {qemu}", remedy="try it again"
        ) from late
    return done.stdout.splitlines()[0].removeprefix("QEMU emulator version ") if done.stdout else "?"


def _guest(parts: guests.GuestParts, problems: list[Problem]) -> dict[str, str]:
    facts = {}
    if parts.qemu:
        try:
            facts["qemu_version"] = _version(str(parts.qemu))
        except SandboxError as error:
            problems.append(_problem(error))
    if parts.kernel:
        facts["kernel"] = parts.kernel.release
    facts["firmware"] = parts.firmware.stem if parts.firmware else "SeaBIOS"
    return facts


def _problem(error: SandboxError) -> Problem:
    return Problem(error.what, error.seen, error.remedy)
