"""What this machine's apt knows: where its distribution's packages come from, also those for another processor.

Nothing is installed and nothing of the machine's own apt is changed: lists for another architecture are kept apart.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sandboxes.errors import Unavailable

DISTRIBUTIONS = ("Debian", "Ubuntu")
"""Origin of a Release file: a third party's archive, which offers other packages, has another one."""
APT_S = 600.0

_FIELDS = ("REPO_URI", "RELEASE", "COMPONENT", "ORIGIN")


def sources() -> str:
    """The distribution's archives that this machine uses, as sources.list(5) writes them, one a line.

    Raises Unavailable without apt, or when its lists were never fetched. Source: apt-get(8), indextargets.
    """
    shown = run("apt-get", "indextargets", "--format", " ".join(f"$({name})" for name in _FIELDS))
    found = parse_sources(shown)
    if not found:
        raise Unavailable(
            "apt knows of no archive of Debian or Ubuntu.",
            seen="no such origin in its lists",
            remedy="apt-get update (as root), then try again",
        )
    return found


def parse_sources(shown: str) -> str:
    """Lines `deb ADDRESS RELEASE COMPONENT` out of "ADDRESS RELEASE COMPONENT ORIGIN", each archive once."""
    rows = (line.split(maxsplit=3) for line in shown.splitlines())
    kept = {f"deb {row[0]} {row[1]} {row[2]}\n" for row in rows if len(row) == 4 and row[3] in DISTRIBUTIONS}
    return "".join(sorted(kept))


def settings() -> str:
    """How this machine's apt reaches its archives (proxy, checks of dates), as apt.conf(5) writes it."""
    dumped = run("apt-config", "dump").splitlines(keepends=True)
    return "".join(line for line in dumped if re.match(r"Acquire::(https?|Check-)", line))


@dataclass(frozen=True)
class Archives:
    """What apt offers for one kind of processor: this machine's own unless `options` say so. Files go to `folder`."""

    folder: Path
    options: tuple[str, ...] = ()

    def about(self, package: str) -> dict[str, str]:
        """Fields of the newest version of a package (deb-control(5)). Raises Unavailable when it is not offered."""
        return parse_about(run("apt-cache", *self.options, "show", "--no-all-versions", package, folder=self.folder))

    def size_bytes(self, *packages: str) -> int:
        """What fetching the newest versions of them takes together. Raises Unavailable when one is not offered."""
        shown = run("apt-cache", *self.options, "show", "--no-all-versions", *packages, folder=self.folder)
        return sum(int(size) for size in re.findall(r"^Size: (\d+)$", shown, re.MULTILINE))

    def offered(self, packages: Iterable[str]) -> list[str]:
        """Those of the packages that there are."""
        names = run("apt-cache", *self.options, "pkgnames", folder=self.folder).split()
        return [package for package in packages if package in names]

    def unpacked(self, *packages: str) -> Path:
        """The files of these packages, below one folder; nothing is installed. Raises Unavailable."""
        run("apt-get", *self.options, "-q", "download", *packages, folder=self.folder)
        for archive in sorted(self.folder.glob("*.deb")):
            run("dpkg-deb", "-x", archive.name, "tree", folder=self.folder)
        return self.folder / "tree"


def archives_for(architecture: str, folder: Path) -> Archives:
    """The distribution's archives for another processor; apt's lists for it have been fetched into `folder`.

    Raises Unavailable when the archives have nothing for it or do not answer.
    """
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "sources.list").write_text(sources())
    apart = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "Dir::State": str(folder / "state"),
        "Dir::State::status": "/dev/null",
        "Dir::Cache": str(folder / "cache"),
        "Dir::Etc::sourcelist": str(folder / "sources.list"),
        "Dir::Etc::sourceparts": "/dev/null",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",  # _apt may not enter this folder; signatures are checked all the same
    }
    options = tuple(word for key, value in apart.items() for word in ("-o", f"{key}={value}"))
    run("apt-get", *options, "-q", "update", folder=folder)
    return Archives(folder, options)


def parse_about(shown: str) -> dict[str, str]:
    """Field -> value of the first paragraph that `apt-cache show` prints, without lines that go on from another."""
    paragraph = shown.strip().partition("\n\n")[0]
    return dict(re.findall(r"^([A-Za-z0-9-]+): *(.*)$", paragraph, re.MULTILINE))


def fetched(package: str, architecture: str, folder: Path) -> Path:
    """The files of a package for another processor, unpacked below `folder`, where apt's lists for it are left too.

    Raises Unavailable when the archives do not offer it or do not answer.
    """
    return archives_for(architecture, folder).unpacked(package)


def without_addresses(text: str) -> str:
    """Where packages come from is nobody's business but this machine's."""
    return re.sub(r"\b(https?|ftp)://\S+|\[IP: [^]]*\]", "(archive)", text)


def run(*argv: str, folder: Path | None = None) -> str:
    """What the program printed. Raises Unavailable with the end of its complaint when it fails or is missing."""
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            argv, cwd=folder, capture_output=True, text=True, check=False, timeout=APT_S, env=environment
        )
    except FileNotFoundError as error:
        raise Unavailable(
            "This machine has no apt.", seen=f"no {argv[0]} on PATH", remedy="use Debian 12 or newer, or Ubuntu 24.04"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(
            f"{argv[0]} took too long.", seen=f"no end within {APT_S:.0f} s", remedy="try again with a better network"
        ) from error
    if done.returncode:
        raise Unavailable(
            f"{argv[0]} failed.",
            seen=without_addresses(" ".join(done.stderr.split()))[-300:] or f"exit status {done.returncode}",
            remedy="apt-get update (as root), then try again",
        )
    return done.stdout
