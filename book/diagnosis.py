"""`./textbook doctor`: what was found on this machine, in plain words or as data."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from book.folders import ROOT
from book.serving import USUAL_PORT, port_is_free
from book.setup import packages
from sandboxes import doctor as examine
from sandboxes.lifecycle import cache_folder
from sandboxes.model import Accelerator, Engine, Report, Tier

NEEDED_DISK_BYTES = 2 << 30
NEEDED_MEMORY_BYTES = 2 << 30
NAMED_TEMPLATES = 3
ABILITIES = ("pause", "networks", "swarm", "user_namespaces", "psi")


def doctor(*, as_json: bool) -> int:
    """Print the findings; 0, or 1 when something that the pages need is missing. Starts no engine and no page.

    It may run a tiny container and boot a tiny guest, once, to learn what works here (sandboxes.doctor).
    """
    found = findings()
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        _in_words(found)
    return 1 if found["problems"] else 0


def findings() -> dict[str, Any]:
    """Everything under stable keys: host, engine, tiers, cgroups, accelerator, guest, templates, disk, and so on."""
    report = examine()
    disk = _disk()
    problems = [{"what": p.what, "seen": p.seen, "try": p.remedy} for p in report.problems]
    problems += [_package_problem(need) for need in packages.missing(packages.NEEDS)]
    if disk["free_bytes"] < NEEDED_DISK_BYTES:
        problems.append(
            {"what": "There is little disk left.", "seen": f"{disk['free_bytes'] >> 20} MiB free", "try": "free 2 GiB"}
        )
    if report.host.memory_bytes < NEEDED_MEMORY_BYTES:
        seen = f"{report.host.memory_bytes >> 20} MiB"
        problems.append({"what": "There is little memory.", "seen": seen, "try": "run one page at a time"})
    return {
        "host": {name: getattr(report.host, name) for name in ("system", "kernel", "machine", "cpus")},
        "engine": _engine(report.engine),
        "tiers": [_tier(tier) for tier in report.tiers],
        "cgroups": {"version": report.host.cgroups, "enforced": _enforced(report)},
        "accelerator": dataclasses.asdict(report.accelerator) if report.accelerator else None,
        "guest": dict(report.guest) if report.guest else None,
        "templates": {
            "folder": _home(Path(report.templates_folder)),
            "size_bytes": sum(one.size_bytes for one in report.templates),
            "kept": [dataclasses.asdict(one) for one in report.templates],
        },
        "pools": [dataclasses.asdict(cost) for cost in report.pools],
        "disk": disk,
        "memory": {"total_bytes": report.host.memory_bytes},
        "ports": {"address": "127.0.0.1", "usual": USUAL_PORT, "usual_is_free": port_is_free(USUAL_PORT)},
        "problems": problems,
    }


def _enforced(report: Report) -> list[str]:
    return sorted(report.engine.enforces) if report.engine else []


def _tier(tier: Tier) -> dict[str, Any]:
    found = {"name": tier.name, "state": tier.state, "engine": _engine(tier.engine)}
    return found if tier.state != "not here" else {**found, "why": tier.why, "try": tier.remedy}


def _engine(engine: Engine | None) -> dict[str, Any] | None:
    if engine is None:
        return None
    return {
        "name": engine.name,
        "version": engine.version,
        "origin": engine.origin,
        "rootless": engine.rootless,
        "cgroup_version": engine.cgroup_version,
        "runtime": engine.runtime,
        "enforces": sorted(engine.enforces),
        "can": [name for name in ABILITIES if getattr(engine, name)],
        "promise": engine.promise,
    }


def _package_problem(need: packages.Need) -> dict[str, str]:
    return {
        "what": f"{need.name} is missing: {need.without}.",
        "seen": f"it {need.why}",
        "try": packages.command(need.packages),
    }


def _disk() -> dict[str, Any]:
    cache = cache_folder()
    used = sum(
        path.stat().st_blocks * 512 for path in cache.rglob("*") if path.is_file()
    )  # stat(2): templates have holes
    return {"free_bytes": shutil.disk_usage(ROOT).free, "cache": _home(cache), "cache_bytes": used}


def _home(path: Path) -> str:
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)


def _in_words(found: dict[str, Any]) -> None:
    table = Table.grid(padding=(0, 2))
    for label, text in _lines(found):
        table.add_row(f"[bold]{label}[/]", escape(text))
    page = Console(highlight=False)
    page.print(table)
    for problem in found["problems"]:
        page.print(f"\n✗ {problem['what']}\n  seen: {problem['seen']}\n  try:  {problem['try']}", markup=False)
    if not found["problems"]:
        page.print("\n✓ Everything that the pages need is here.")


WAYS = {
    "reader": "your own engine",
    "private": "a private engine that ends with the page",
    "rootless": "the same without root",
    "podman": "a Podman service that ends with the page",
    "guest": "an engine in a guest that ends with the page",
    "bare": "namespaces by hand, without an engine",
}
SIGNS = {"chosen": "▶", "possible": "✓", "not here": "✗"}


def _ways(tier: dict[str, Any]) -> str:
    """One line for a tier: whether it is used, could be, or why not."""
    engine = tier["engine"]
    version = f": {engine['name']} {engine['version']}{', rootless' if engine['rootless'] else ''}" if engine else ""
    reason = f": {tier['why']}" if tier["state"] == "not here" else ""
    return f"{SIGNS[tier['state']]} {WAYS[tier['name']]} ({tier['state']}){version}{reason}"


def _pool(cost: dict[str, Any]) -> str:
    shims = cost["shim_pss_bytes"]
    held = "" if shims is None else f", {shims / 2**20:.0f} MiB for the processes that hold them"
    memory = cost["memory_bytes"] / 2**20
    return f"{cost['waiting']} of {cost['size']} containers wait: {memory:.1f} MiB in them{held}"


def _accelerator(accelerator: dict[str, str]) -> list[tuple[str, str]]:
    """How guests run, and what that is worth."""
    if accelerator["name"] == "tcg":
        kind = "QEMU translates a guest's instructions, which is slower than a processor that runs them itself"
    else:
        kind = "the processor itself runs a guest's instructions"
    promise = Accelerator(**accelerator).promise
    return [("guests", f"{accelerator['name']}: {accelerator['proof']}"), ("", kind), ("", promise)]


def _templates(templates: dict[str, Any]) -> list[tuple[str, str]]:
    """Booted guests that are kept, what they take, and how to be rid of them."""
    kept = templates["kept"]
    if not kept:
        return [("templates", "none yet: the first guest of a kind boots, those after it go on from where it was")]
    count = f"{len(kept)} booted guest{'s' if len(kept) > 1 else ''} to go on from"
    head = f"{count}: {templates['size_bytes'] >> 20} MiB in {templates['folder']}"
    return [
        ("templates", f"{head}; to remove: delete that folder"),
        *(
            ("", f"{one['size_bytes'] >> 20} MiB, used {one['used'][:16]}Z: {one['what']}")
            for one in kept[:NAMED_TEMPLATES]
        ),
        *([("", f"and {left} more, used longer ago")] if (left := len(kept) - NAMED_TEMPLATES) > 0 else []),
    ]


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    host, engine, guest, accelerator = found["host"], found["engine"], found["guest"], found["accelerator"]
    lines = [("machine", f"{host['system']}, Linux {host['kernel']} ({host['machine']}), {host['cpus']} CPUs")]
    lines.append(("memory", f"{found['memory']['total_bytes'] / 2**30:.1f} GiB"))
    disk = found["disk"]
    lines.append(
        ("disk", f"{disk['free_bytes'] / 2**30:.0f} GiB free; cache {disk['cache']}: {disk['cache_bytes'] >> 20} MiB")
    )
    lines += [("containers" if number == 0 else "", text) for number, text in enumerate(map(_ways, found["tiers"]))]
    if engine:
        lines.append(
            ("engine", f"makes containers with {engine['runtime']}; can: {', '.join(engine['can']) or 'nothing'}")
        )
    if engine and engine["promise"]:
        lines.append(("", engine["promise"]))
    enforced = ", ".join(found["cgroups"]["enforced"]) or "none"
    lines.append(("cgroups", f"{found['cgroups']['version']}; limits that are enforced: {enforced}"))
    for pool in found["pools"]:
        lines.append(("warm pool", _pool(pool)))
    if accelerator:
        lines += _accelerator(accelerator)
    if guest:
        lines.append(("guest parts", ", ".join(f"{key} {value}" for key, value in guest.items())))
        lines += _templates(found["templates"])
    port = "free" if found["ports"]["usual_is_free"] else "taken; another one will be used"
    lines.append(("port", f"{found['ports']['usual']} on {found['ports']['address']} is {port}"))
    return lines
