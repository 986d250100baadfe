"""`./textbook engine`: the container engine of last resort, made ready once, outside class hours."""

from __future__ import annotations

from book.console import note, step
from sandboxes import containers


def engine() -> int:
    """Its template is in the cache and was tried; says what it is, and how large."""
    with step("Container engine in a guest") as tell:
        found, size_bytes = containers.prepare_guest_engine(tell)
    enforces = ", ".join(sorted(found.enforces))
    note(f"{found.name} {found.version}, cgroups {found.cgroup_version}; limits that it enforces: {enforces}")
    note(f"its template takes {size_bytes >> 20} MiB in the cache; {found.promise}")
    note("It is used when no better engine is here (BOUNDARIES_ENGINE=guest: always); ./textbook doctor lists them.")
    return 0
