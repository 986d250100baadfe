"""System packages: which are needed, for what, and how they get installed, never without a line that says so."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from book.console import note, step
from book.folders import INSTALLED_PACKAGES
from sandboxes.containers import find_engine, find_tiers
from sandboxes.errors import SandboxError


@dataclass(frozen=True)
class Need:
    """Something the machine must have. `present` looks; `packages` bring it; `why` and `without` are for people.

    "a | b" names a package that distributions call differently: the first that apt knows is meant.
    """

    name: str
    packages: tuple[str, ...]
    why: str
    without: str
    present: Callable[[], bool]


def _on_path(*programs: str) -> Callable[[], bool]:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return lambda: any(shutil.which(program, path=path) for program in programs)


def _static_busybox() -> bool:
    """A busybox that needs no shared library: its ELF file names no interpreter (elf(5), PT_INTERP)."""
    path = Path("/bin/busybox")
    return path.is_file() and b"/ld-linux" not in path.read_bytes()[:4096]


def _engine() -> bool:
    """An engine answers, or there is one to start. A docker client alone is neither."""
    try:
        return bool(find_engine())
    except SandboxError:
        return _on_path("dockerd")()


def _unless_readers(present: Callable[[], bool]) -> Callable[[], bool]:
    """`present`, or not needed: an engine of the reader's answers, so none of the book's own is started."""
    return lambda: present() or any(tier.name == "reader" and tier.engine for tier in find_tiers())


NEEDS = (
    Need("container engine", ("docker.io",), "runs the containers", "no container cell works", _engine),
    Need(
        "QEMU",
        ("qemu-system-x86",),
        "runs the virtual machines",
        "no guest cell works",
        _on_path("qemu-system-x86_64"),
    ),
    Need(
        "static busybox",
        ("busybox-static",),
        "is the whole userland of our containers and guests",
        "neither containers nor guests can start",
        _static_busybox,
    ),
    Need(
        "crun",
        ("crun",),
        "starts containers and commands sooner than runc",
        "containers start a little later",
        _unless_readers(_on_path("crun")),
    ),
    Need(
        "newuidmap",
        ("uidmap",),
        "gives an engine without root its range of user numbers",
        "no engine of the book's own for a user who is not root",
        _unless_readers(lambda: os.geteuid() == 0 or _on_path("newuidmap")()),
    ),
    Need(
        "mkfs.ext4",
        ("e2fsprogs",),
        "makes the small disk of a container whose reading and writing is limited",
        "no limits on disks with an engine of the book's own",
        _unless_readers(_on_path("mkfs.ext4")),
    ),
    Need("ip", ("iproute2",), "sets up a private engine's network", "no private engine", _on_path("ip")),
    Need("lz4", ("lz4",), "unpacks some kernels", "a guest kernel packed with lz4 cannot be used", _on_path("lz4")),
    Need("zstd", ("zstd",), "unpacks some kernels", "a guest kernel packed with zstd cannot be used", _on_path("zstd")),
)


def _tested(program: str, why: str, *, package: str = "") -> Need:
    return Need(program, (package or program,), why, f"the tests of what needs {program} cannot run", _on_path(program))


DOCKER_CLIENT = Need(
    "docker client",
    ("docker-cli | docker.io",),
    "is what our containers are measured against",
    "the bench has nothing to compare with",
    _on_path("docker"),
)

CRUN = Need(
    "crun",
    ("crun",),
    "is what containers by hand are measured against",
    "some rows of the bench have nothing to compare with",
    _on_path("crun"),
)

BENCH = (DOCKER_CLIENT, CRUN)

TESTS = (
    DOCKER_CLIENT,
    _tested("podman", "is one of the engines that are tested"),
    _tested("newuidmap", "gives the tests' user without root a range of user numbers", package="uidmap"),
    _tested("mmdebstrap", "puts the small Debian image together"),
    _tested("docker-registry", "is the registry of the lesson on push and pull"),
    _tested("openssl", "makes the certificate of a registry that the tests fetch from"),
    _tested("skopeo", "fetches images for an engine that has no network"),
    Need(
        "Chromium",
        ("chromium",),
        "presses the buttons of the pages in the tests",
        "the browser tests cannot run",
        _on_path("chromium", "chromium-browser"),
    ),
    Need(
        "libatomic",
        ("libatomic1",),
        "is needed by the program that steers Chromium in the tests",
        "the browser tests cannot run",
        lambda: any([*Path("/usr").glob("lib*/libatomic.so.1"), *Path("/usr").glob("lib*/*/libatomic.so.1")]),
    ),
)


class PackagesMissing(Exception):
    """Packages are needed and this user may not install them; the text says which, why, and the command to run."""


def missing(needs: Sequence[Need]) -> list[Need]:
    """Those that are not there now."""
    return [need for need in needs if not need.present()]


def command(packages: Sequence[str]) -> str:
    """What a person would type to install these packages."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    names = " ".join(_known(package) for package in packages)
    return f"{sudo}apt-get update && {sudo}apt-get install -y --no-install-recommends {names}"


def install(needs: Sequence[Need]) -> None:
    """Afterwards each need is met. Raises PackagesMissing where this user may not install, or apt failed."""
    wanted = missing(needs)
    if not wanted:
        return
    packages = sorted({package for need in wanted for package in need.packages})
    reasons = [f"{', '.join(need.packages)}: {need.why}" for need in wanted]
    root = _root_command()
    if root is None or shutil.which("apt-get") is None:
        lines = [f"  {' '.join(need.packages)} ({need.why}); until then {need.without}" for need in wanted]
        raise PackagesMissing("\n".join(["System packages are missing:", *lines, "Run:", "  " + command(packages)]))
    for reason in reasons:
        note(f"Installing with apt: {reason}")
    with step("Installing system packages"):
        _apt(root, ["update"])
        before = _installed()
        _apt(root, ["install", "-y", "--no-install-recommends", *(_known(package) for package in packages)])
        _remember(sorted(_installed() - before))
    if still := missing(wanted):
        raise PackagesMissing(f"Installed {' '.join(packages)}, and still missing: {', '.join(n.name for n in still)}")


def _known(package: str) -> str:
    """The first of the alternatives "a | b" that apt knows, else the last one."""
    *others, last = package.split(" | ")
    for name in others:
        shown = subprocess.run(["/usr/bin/apt-cache", "show", name], capture_output=True, check=False)
        if shown.returncode == 0:
            return name
    return last


def _root_command() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    if (
        Path("/usr/bin/sudo").exists()
        and subprocess.run(["/usr/bin/sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ["/usr/bin/sudo", "-n"]
    return None


def _apt(root: list[str], words: list[str]) -> None:
    environment = ["env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l"]
    done = subprocess.run([*root, *environment, "apt-get", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-12:])
        raise PackagesMissing(f"apt-get {words[0]} failed with status {done.returncode}:\n{tail}")


def _installed() -> set[str]:
    query = ["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n"]
    text = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    return {line.split()[1] for line in text.splitlines() if line.startswith("ii")}


def _remember(packages: Sequence[str]) -> None:
    """Keep a list of what was not there before, so that `clean` can say (or undo) it."""
    known = set(INSTALLED_PACKAGES.read_text().split()) if INSTALLED_PACKAGES.exists() else set()
    INSTALLED_PACKAGES.write_text("\n".join(sorted(known | set(packages))) + "\n")
