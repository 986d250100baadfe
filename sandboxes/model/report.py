"""What a machine has and lacks for this book."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sandboxes.model.engines import Engine, Tier
from sandboxes.model.guests import Accelerator
from sandboxes.model.machine import Host
from sandboxes.model.pools import PoolCost
from sandboxes.model.templates import GuestTemplate


@dataclass(frozen=True)
class Problem:
    """Something that is missing on this machine, and what to do about it."""

    what: str
    seen: str
    remedy: str


@dataclass(frozen=True)
class Report:
    """What sandboxes will run on here. `engine` and `accelerator` are None where there is none to be had.

    `tiers` are the ways to an engine, best first. `guest` names the parts of a guest: qemu_version, kernel, firmware.
    `date` is the minute of the look, ISO 8601, UTC.
    `templates` are the booted guests that are kept on disk in `templates_folder`, for others to go on from.
    `pools` is what waits in warm pools of this user, in whichever process, and what that costs.
    """

    host: Host
    engine: Engine | None
    accelerator: Accelerator | None
    guest: Mapping[str, str]
    problems: tuple[Problem, ...]
    date: str
    tiers: tuple[Tier, ...] = ()
    pools: tuple[PoolCost, ...] = ()
    templates: tuple[GuestTemplate, ...] = ()
    templates_folder: str = ""
