"""Read one file of /proc or /sys, with errors that say what it means when that fails."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from sandboxes.errors import SandboxGone, Unavailable

PROC = Path("/proc")


@contextlib.contextmanager
def about(pid: int) -> Iterator[None]:
    """Errors of the system, while reading about a process, become ours.

    Raises SandboxGone when the process has ended, Unavailable when the kernel does not show it to this user.
    """
    try:
        yield
    except (FileNotFoundError, ProcessLookupError) as error:
        raise SandboxGone(f"Process {pid} has ended.", seen=_seen(error), remedy="start it again") from error
    except PermissionError as error:
        raise Unavailable(
            f"Process {pid} may not be looked at by this user.",
            seen=_seen(error),
            remedy="ask for a process of your own, or run as root (ptrace(2), access mode checking)",
        ) from error


def text(path: Path) -> str:
    """The file's text; bytes that are no UTF-8 (a process may choose its own name) are kept as escapes."""
    return path.read_bytes().decode(errors="backslashreplace")


def numbers() -> list[int]:
    """The processes that are visible now, by their numbers."""
    return sorted(int(name) for name in os.listdir(PROC) if name.isdigit())


def of(pid: int, name: str) -> str:
    """The text of /proc/PID/NAME."""
    with about(pid):
        return text(PROC / str(pid) / name)


def table(content: str) -> dict[str, str]:
    """Lines of "Key: value", as in /proc/PID/status and /proc/meminfo."""
    pairs = (line.partition(":") for line in content.splitlines())
    return {key.strip(): value.strip() for key, colon, value in pairs if colon}


def kilobytes(value: str) -> int:
    """Bytes from "1234 kB"; the kernel's kB are 1024 bytes (proc_meminfo(5))."""
    return int(value.split()[0]) * 1024


def _seen(error: OSError) -> str:
    return f"{error.filename or '/proc'}: {error.strerror}"
