"""Computers that run no Linux and no agent of ours: what each is made of, and what it runs."""

from __future__ import annotations

import os
from dataclasses import dataclass

from sandboxes.guests.boot_sector import END_PORT, boot_sector
from sandboxes.guests.parts import Say, part

FILE = "FILE"
"""Stands in `arguments` for the path under which QEMU opens the recipe's file."""


@dataclass(frozen=True)
class Recipe:
    """`about` says what runs. `file` is in `package`; without a package there is no file, or it is made here."""

    name: str
    about: str
    arguments: tuple[str, ...]
    options: tuple[str, ...] = ()
    memory_bytes: int = 64 << 20
    package: str | None = None
    file: str | None = None


FIRMWARE = Recipe(
    "firmware",
    "SeaBIOS finds its devices and then nothing to boot from",
    (),
    options=("graphics=off",),  # SeaBIOS then writes to the serial port
)
BOOT_SECTOR = Recipe(
    "boot-sector",
    "512 bytes of our own: greets, echoes what is typed, ends at q",
    (
        *("-drive", f"if=floppy,format=raw,readonly=on,file={FILE}"),
        *("-device", f"isa-debug-exit,iobase={END_PORT:#x},iosize=4"),
    ),
    memory_bytes=16 << 20,
)
MEMTEST = Recipe(
    "memtest86+",
    "a memory test that is its own operating system",
    ("-kernel", FILE, "-append", "console=ttyS0,115200"),
    package="memtest86+",
    file="boot/memtest86+x64.bin",
)
U_BOOT = Recipe(
    "u-boot",
    "a boot loader with a command line, as in routers and single-board computers",
    ("-bios", FILE),
    memory_bytes=128 << 20,
    package="u-boot-qemu",
    file="usr/lib/u-boot/qemu-x86_64/u-boot.rom",
)
RECIPES = {recipe.name: recipe for recipe in (FIRMWARE, BOOT_SECTOR, MEMTEST, U_BOOT)}


def opened(recipe: Recipe, say: Say) -> int | None:
    """A descriptor of the recipe's file, fetched when it is not in the cache; None when it needs no file.

    Raises Unavailable when apt cannot offer the package.
    """
    if recipe.package and recipe.file:
        return os.open(part(recipe.package, recipe.file, say), os.O_RDONLY | os.O_CLOEXEC)
    return _in_memory(boot_sector()) if recipe is BOOT_SECTOR else None


def _in_memory(data: bytes) -> int:
    """A file that no folder holds (memfd_create(2))."""
    handle = os.memfd_create("disk")
    os.write(handle, data)
    return handle
