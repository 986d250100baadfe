"""The guest's agent as a program: its C source in inside/, compiled by tcc, which is fetched with apt into the cache.

Nothing is installed, and no compiler of this machine is used: everyone's agent comes out of the same one.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from sandboxes import apt
from sandboxes.errors import GuestUnavailable, Unavailable
from sandboxes.guests.cache import guests_folder, locked
from sandboxes.guests.elf import is_static
from sandboxes.lifecycle.cache import put

PACKAGE = "tcc"
COMPILE_S = 60.0
_INSIDE = Path(__file__).with_name("inside")
_PROGRAM = _INSIDE / "agent.c"
Say = Callable[[str], None]


def found_compiler() -> Path | None:
    """The newest one in the cache; starts and fetches nothing."""
    found = (guests_folder() / "compilers").glob(f"{PACKAGE}_*")
    return max((path for path in found if path.is_file()), key=lambda path: path.stat().st_mtime_ns, default=None)


def prepare_compiler(say: Say) -> Path:
    """The compiler that apt knows of is in the cache (300 KB are fetched); without apt or network one that is there.

    Raises GuestUnavailable when there is none.
    """
    with locked("compiler"):
        kept = found_compiler()
        try:
            return _newest(say)
        except Unavailable as error:
            if kept is None:
                raise GuestUnavailable(
                    "There is no compiler for the guests' agent.", seen=error.seen, remedy=error.remedy
                ) from error
            return kept


def agent_program() -> bytes:
    """The agent, a static program of 20 KB, compiled when it is not in the cache (about 50 ms).

    Raises GuestUnavailable when there is no compiler in the cache, or it fails.
    """
    compiler = found_compiler()
    if compiler is None:
        raise GuestUnavailable(
            "There is no compiler for the guests' agent yet.",
            seen="none in the cache",
            remedy="run ./textbook once: its set-up fetches a small one with apt, without installing it",
        )
    sources = (path.read_bytes() for path in (_PROGRAM, *sorted(_INSIDE.glob("*.h"))))
    key = hashlib.sha256(b"\0".join([compiler.name.encode(), *sources])).hexdigest()
    path = guests_folder() / "agents" / key
    if not (path.is_file() and is_static(path.read_bytes())):
        put(path, _compiled(compiler))
    return path.read_bytes()


def _newest(say: Say) -> Path:
    match = re.search(r"^Version: (\S+)$", apt.run("apt-cache", "show", "--no-all-versions", PACKAGE), re.MULTILINE)
    if not match:
        raise Unavailable(f"apt cannot offer {PACKAGE}.", seen="no version of it", remedy="apt-get update (as root)")
    path = guests_folder() / "compilers" / f"{PACKAGE}_{match[1].replace(':', '%3a')}"
    if not path.is_file():
        say(f"fetching {PACKAGE} {match[1]}, which compiles the guests' agent")
        put(path, _fetched())
    path.chmod(0o755)
    return path


def _fetched() -> bytes:
    with tempfile.TemporaryDirectory(prefix="boundaries-compiler-") as temporary:
        folder = Path(temporary)
        apt.run("apt-get", "download", "-q", PACKAGE, folder=folder)
        apt.run("dpkg-deb", "-x", next(folder.glob("*.deb")).name, "tree", folder=folder)
        return (folder / "tree/usr/bin" / PACKAGE).read_bytes()


def _compiled(compiler: Path) -> bytes:
    """Without any library: what it needs of Linux is in inside/linux.h. Source: tcc(1)."""
    with tempfile.TemporaryDirectory(prefix="boundaries-agent-") as folder:
        program = Path(folder, "agent")
        options = ("-nostdinc", "-nostdlib", "-static", "-Wall", "-Werror")
        words = [str(compiler), *options, "-o", str(program), str(_PROGRAM)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=COMPILE_S)
        if done.returncode or not program.is_file():
            raise GuestUnavailable(
                "The guests' agent cannot be compiled.",
                seen=" ".join(done.stderr.split())[-300:] or f"{compiler.name} ended with status {done.returncode}",
                remedy="remove the folder compilers in the cache of guests, then run ./textbook",
            )
        return program.read_bytes()
