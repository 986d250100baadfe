"""Xen, the programs that steer it, and a kernel for its first domain: out of packages, kept in the cache.

Nothing is installed: Xen would be what this machine boots next.
"""

from __future__ import annotations

import re
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from sandboxes.apt import Archives
from sandboxes.errors import GuestUnavailable
from sandboxes.guests.cache import locked
from sandboxes.guests.cpio import archive, folder, link
from sandboxes.guests.kernels import GuestKernel, found_kernel, keep, loadable, vmlinuz
from sandboxes.guests.libraries import library_packages, with_libraries
from sandboxes.guests.parts import Say, content, megabytes

SYSTEM = "xen-system-amd64"
"""The package that follows the newest Xen, and its programs."""
KERNELS = ("linux-image-amd64", "linux-image-generic")
"""Debian's and Ubuntu's for all machines: those for virtual machines lack CONFIG_XEN_DOM0."""
XENSTORE = "xenstore-utils"

MODULES = ("button", "evdev", "xen_evtchn", "xen_gntdev", "xen_gntalloc", "xen_privcmd", "xenfs")
"""For the power button; and how programs in dom0 reach Xen: its events, other domains' memory, its calls."""

XEN, TOOLS = "xen", "tools.cpio"
NOTE = "xen.json"

_PROGRAMS = ("xl", "xenstored", "xenconsoled", "xen-init-dom0", "xenconsole")
_UNLISTED = ("libgcc_s.so.1",)
"""What no program names and the C library loads when a thread is cancelled (pthread_cancel(3))."""


def found_xen() -> GuestKernel | None:
    """What there is in the cache: dom0's kernel with its modules, and XEN and TOOLS beside it; fetches nothing."""
    return found_kernel(NOTE)


def prepare_xen(say: Say) -> GuestKernel:
    """The same, fetched when it is not there or not intact. `say` hears what is fetched, and how large it is.

    Raises Unavailable when apt cannot offer a part, GuestUnavailable.
    """
    with locked("xen"):
        found = found_xen()
        return found if found and found.intact() else _fetched(say)


def parse_dependencies(depends: str) -> tuple[str, ...]:
    """Names of packages out of a field "Depends", the first of each choice (deb-control(5))."""
    return tuple(re.findall(r"(?:^|,)\s*([a-z0-9][a-z0-9.+-]*)", depends))


def _fetched(say: Say) -> GuestKernel:
    with tempfile.TemporaryDirectory(prefix="boundaries-xen-") as temporary:
        archives = Archives(Path(temporary))
        hypervisor, programs = _named(archives, SYSTEM, "xen-hypervisor-"), _named(archives, SYSTEM, "xen-utils-")
        kernel = _kernel(archives)
        direct = parse_dependencies(archives.about(programs)["Depends"])
        libraries = library_packages(archives, [name for name in direct if name.startswith("lib")])
        for what, packages in (
            (f"{hypervisor} and its programs", [hypervisor, programs, XENSTORE]),
            (" and ".join(kernel), kernel),
            (f"{len(libraries)} libraries", libraries),
        ):
            say(f"fetching {what} ({megabytes(archives.size_bytes(*packages))}), once")
        tree = archives.unpacked(hypervisor, programs, XENSTORE, *kernel, *libraries)
        image = vmlinuz(tree, SYSTEM)
        files = {"bzimage": image.read_bytes(), XEN: _hypervisor(tree), TOOLS: _tools(tree)}
        version = archives.about(hypervisor)["Version"]
        kept = keep(hypervisor, version, image, files, loadable(tree, MODULES), NOTE)
        say(f"keeping Xen, its programs and a kernel ({megabytes(sum(kept.sizes_bytes.values()))}) in the cache")
        return kept


def _named(archives: Archives, package: str, beginning: str) -> str:
    """The one that `package` depends on whose name begins with this and goes on with a version."""
    depends = parse_dependencies(archives.about(package)["Depends"])
    found = next((name for name in depends if re.match(re.escape(beginning) + r"\d", name)), None)
    if found is None:
        raise GuestUnavailable(
            f"apt offers no {beginning}… here.", seen=f"{package} depends on {', '.join(depends)}", remedy="use Debian"
        )
    return found


def _kernel(archives: Archives) -> list[str]:
    """The package with the kernel itself, and those with its modules where they are apart."""
    offered = archives.offered(KERNELS)
    if not offered:
        raise GuestUnavailable(
            "apt knows of no kernel for Xen.", seen=f"none of {', '.join(KERNELS)} in its lists", remedy="use Debian"
        )
    kernel = _named(archives, offered[0], "linux-image-")
    apart = parse_dependencies(archives.about(kernel).get("Depends", ""))
    return [kernel, *(name for name in apart if re.match(r"linux-modules-\d", name))]


def _hypervisor(tree: Path) -> bytes:
    """Uncompressed: what QEMU loads by multiboot is an ELF file."""
    found = next(tree.glob("boot/xen-*-amd64.gz"), None)
    if found is None:
        raise GuestUnavailable("The package of Xen holds no hypervisor.", seen="no boot/xen-*", remedy="report it")
    return zlib.decompress(found.read_bytes(), wbits=31)


def _tools(tree: Path) -> bytes:
    """An archive for an initramfs: the programs where they look for each other, and their libraries."""
    place = next(tree.glob("usr/lib/xen-*/bin"), tree)
    inside = place.relative_to(tree).as_posix()
    paths = {f"{inside}/{name}": "xen-utils" for name in _PROGRAMS} | {"usr/bin/xenstore": XENSTORE}
    programs = {path: content(tree, path, package) for path, package in paths.items()}
    entries = with_libraries(programs, tree, _UNLISTED)
    above = [folder(path) for path in ("usr/sbin", *_folders(f"{inside}/x"))]
    return archive([*above, *entries, *(link(f"usr/sbin/{name}", f"/{inside}/{name}") for name in _PROGRAMS)])


def _folders(path: str) -> Sequence[str]:
    return [parent.as_posix() for parent in reversed(Path(path).parents) if parent.as_posix() != "."]
