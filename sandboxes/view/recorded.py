"""Where and when something was seen: the small line under every figure."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime

from sandboxes.model import Accelerator, Engine, Host

ORIGINS = {"private": "private", "guest": "in a guest"}


@dataclass(frozen=True)
class Recorded:
    """A host, the engine and accelerator that took part, and the minute (UTC, ISO 8601)."""

    host: str
    engine: Engine | None
    accelerator: Accelerator | None
    date: str

    def __str__(self) -> str:
        parts = [f"Recorded {self.date} on {self.host}"]
        if self.engine:
            owner = ORIGINS.get(self.engine.origin, "the reader's own")
            parts.append(f"{self.engine.name} {self.engine.version} ({owner})")
        if self.accelerator:
            kind = " (emulated)" if self.accelerator.emulated else ""
            parts.append(f"guests: QEMU {self.accelerator.name}{kind}")
        return ", ".join(parts)


def recorded(
    host: Host, engine: Engine | None = None, accelerator: Accelerator | None = None, date: str = ""
) -> Recorded:
    """What was seen on `host`; without a date, now."""
    cpus = f"{host.cpus} CPU{'s' if host.cpus != 1 else ''}"
    name = f"{host.system}, Linux {host.kernel} ({host.machine}, {cpus})"
    return Recorded(name, engine, accelerator, minute(date))


def recorded_here() -> Recorded:
    """For records without a host: this interpreter's own machine, as uname(2) and os-release(5) describe it."""
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        system = platform.system()
    cpus = os.cpu_count() or 1
    machine = f"{platform.machine()}, {cpus} CPU{'s' if cpus != 1 else ''}"
    return Recorded(f"{system}, Linux {platform.release()} ({machine})", None, None, minute())


def minute(date: str = "") -> str:
    """2026-11-23T10:43Z from an ISO 8601 text, or of now. A text in another form is kept as it is."""
    try:
        moment = datetime.fromisoformat(date) if date else datetime.now(UTC)
    except ValueError:
        return date
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    elif len(date) <= len("2026-11-23"):
        return date
    return moment.strftime("%Y-%m-%dT%H:%MZ")
