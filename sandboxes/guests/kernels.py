"""The guest's kernel: the distribution's own for virtual machines, fetched with apt, unpacked into the cache.

Nothing is installed: `apt-get install linux-image-…` would add a kernel to this machine's boot menu.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from sandboxes.errors import GuestUnavailable
from sandboxes.guests.architectures import X86_64
from sandboxes.guests.cache import guests_folder, locked
from sandboxes.guests.compressed import expanded, kernel_inside
from sandboxes.guests.elf import has_pvh_entry
from sandboxes.lifecycle.cache import put, sha256

MODULES = ("button", "evdev", "virtio_pci", "virtio_balloon", "virtio_net", "overlay")
"""For the power button, the balloon, a network card and containers' file systems, as far as a kernel has left them out
of itself; they pull in what they depend on."""

NOTE = f"kernel-{hashlib.sha256(' '.join(MODULES).encode()).hexdigest()[:8]}.json"
"""A kernel that was kept with other modules is another one."""

BUSYBOX = "busybox"
_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")
Say = Callable[[str], None]


@dataclass(frozen=True)
class GuestKernel:
    """A kernel in the cache. `direct`: QEMU can enter `vmlinux` itself (PVH), so that no boot has to unpack it.

    A kernel for another kind of processor has a busybox for that beside it.
    """

    package: str
    version: str
    release: str
    direct: bool
    modules: tuple[str, ...]
    sizes_bytes: dict[str, int]
    sha256: dict[str, str]

    @property
    def folder(self) -> Path:
        return guests_folder() / "kernels" / f"{self.package}_{self.version.replace(':', '%3a')}"

    @property
    def bzimage(self) -> Path:
        return self.folder / "bzimage"

    @property
    def image(self) -> Path:
        """What a guest boots from."""
        return self.folder / ("vmlinux" if self.direct else "bzimage")

    @property
    def busybox(self) -> Path | None:
        """The one that belongs to this kernel; None: this machine's own."""
        return self.folder / BUSYBOX if BUSYBOX in self.sizes_bytes else None

    def complete(self) -> bool:
        """Every file is there with its length."""
        folder = self.folder
        return all(_size(folder / name) == size for name, size in self.sizes_bytes.items())

    def intact(self) -> bool:
        """Every file is there with its content (reads about 70 MB)."""
        return self.complete() and all(sha256(self.folder / name) == known for name, known in self.sha256.items())


def found_kernel(note: str = NOTE) -> GuestKernel | None:
    """The kernel that the file `note` names, if it is in the cache; starts and fetches nothing."""
    try:
        known = json.loads((guests_folder() / note).read_text())
        kernel = GuestKernel(**{**known, "modules": tuple(known["modules"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return kernel if kernel.complete() else None


def prepare_kernel(say: Say) -> GuestKernel:
    """The newest kernel that apt knows of is in the cache, intact. `say` hears each slow step.

    Without apt or network an older one that is in the cache stays in use. Raises GuestUnavailable when there is none.
    """
    with locked("kernel"):
        kernel = found_kernel()
        if kernel and not kernel.intact():
            kernel = None
        try:
            return _newest(kernel, say)
        except GuestUnavailable as error:
            if kernel is None:
                raise
            say(f"keeping the guest kernel {kernel.package} {kernel.version}: {error.what} ({error.seen})")
            return kernel


def _newest(kernel: GuestKernel | None, say: Say) -> GuestKernel:
    package = _versioned_package()
    version = _version(package)
    if kernel and (kernel.package, kernel.version) == (package, version):
        return kernel
    with tempfile.TemporaryDirectory(prefix="boundaries-kernel-") as temporary:
        say(f"fetching the guest kernel {package} {version}")
        tree = _fetched([package, *_module_packages(package)], Path(temporary))
        say("unpacking the guest kernel")
        compressed = vmlinuz(tree, package)
        bzimage = compressed.read_bytes()
        files = {"bzimage": bzimage, "vmlinux": kernel_inside(bzimage)}
        return keep(package, version, compressed, files, loadable(tree, MODULES), NOTE)


def parse_dependency(depends: str) -> str | None:
    """The package with the kernel itself, out of what `apt-cache depends` says about the one that follows it."""
    match = re.search(r"^\s*\|?Depends: (linux-image-(?:unsigned-)?\d\S*)$", depends, re.MULTILINE)
    return match[1] if match else None


def _versioned_package() -> str:
    for package in X86_64.kernels:
        if found := parse_dependency(_apt("apt-cache", "depends", package)):
            return found
    raise GuestUnavailable(
        "apt knows of no kernel for guests.",
        seen=f"none of {', '.join(X86_64.kernels)} in its lists",
        remedy="apt-get update (as root), then try again",
    )


def _version(package: str) -> str:
    match = re.search(r"^Version: (\S+)$", _apt("apt-cache", "show", "--no-all-versions", package), re.MULTILINE)
    if not match:
        raise GuestUnavailable(
            f"apt cannot offer {package}.", seen="no version of it", remedy="apt-get update (as root)"
        )
    return match[1]


def _module_packages(package: str) -> list[str]:
    """Ubuntu keeps modules in a package of their own."""
    return re.findall(r"^\s*Depends: (linux-modules-\d\S*)$", _apt("apt-cache", "depends", package), re.MULTILINE)


def _apt(*argv: str, folder: Path | None = None) -> str:
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise GuestUnavailable(
            "This machine has no apt to fetch a guest kernel with.",
            seen=f"no {argv[0]} on PATH",
            remedy="use Debian 12 or newer, or Ubuntu 24.04",
        ) from error
    if folder is not None and done.returncode:
        raise GuestUnavailable(
            "The guest kernel could not be fetched.",
            seen=" ".join(done.stderr.split())[-300:],
            remedy="apt-get update (as root), then try again",
        )
    return done.stdout


def _fetched(packages: list[str], folder: Path) -> Path:
    _apt("apt-get", "download", "-q", *packages, folder=folder)
    for archive in sorted(folder.glob("*.deb")):
        _apt("dpkg-deb", "-x", archive.name, "tree", folder=folder)
    return folder / "tree"


def vmlinuz(tree: Path, package: str) -> Path:
    """The kernel in an unpacked package. Raises GuestUnavailable when there is none."""
    found = next(tree.glob("boot/vmlinuz-*"), None)
    if found is None:
        raise GuestUnavailable(f"{package} holds no kernel.", seen="no boot/vmlinuz-*", remedy="report this package")
    return found


def keep(
    package: str, version: str, compressed: Path, files: dict[str, bytes], modules: dict[str, bytes], note: str
) -> GuestKernel:
    """The kernel is in the cache, and `note` names it. Guests that boot from the same one meanwhile miss no file."""
    files = files | modules
    kernel = GuestKernel(
        package=package,
        version=version,
        release=compressed.name.removeprefix("vmlinuz-"),
        direct=has_pvh_entry(files.get("vmlinux", b"")),
        modules=tuple(modules),
        sizes_bytes={name: len(data) for name, data in files.items()},
        sha256={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    )
    for name, data in files.items():
        put(kernel.folder / name, data)
    put(guests_folder() / note, json.dumps(asdict(kernel), indent=1).encode())
    return kernel


def loadable(tree: Path, names: Iterable[str]) -> dict[str, bytes]:
    """File name -> content of these modules and what they depend on, in the order in which they can be loaded."""
    paths = {path.name.partition(".ko")[0].replace("-", "_"): path for path in tree.rglob("*.ko*")}
    found: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name not in paths or f"{name}.ko" in found:
            return  # built into the kernel, or already there
        data = expanded(paths[name].read_bytes())
        match = _DEPENDS.search(data)
        for other in match[1].decode().split(",") if match else ():
            add(other.replace("-", "_"))
        found[f"{name}.ko"] = data

    for name in names:
        add(name)
    return found


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
