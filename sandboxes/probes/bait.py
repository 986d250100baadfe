"""A process, a file, a port and a socket of the host, set out to be found: does a place see them?"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator

from sandboxes import kernel
from sandboxes.errors import Unavailable
from sandboxes.lifecycle import owner

LIFE_S = 600


@contextlib.contextmanager
def bait() -> Iterator[dict[str, str]]:
    """While inside: the variables for the script, with everything they name in place. Afterwards nothing is left.

    Raises Unavailable when this machine has no `sleep`.
    """
    sleep = shutil.which("sleep")
    if sleep is None:
        raise Unavailable("Nothing can be set out to be found.", seen="no `sleep` on PATH", remedy="install coreutils")
    name = f"bait-{secrets.token_hex(5)}"
    program, file = owner().folder / name, owner().folder / f"{name}.txt"
    with contextlib.ExitStack() as stack:
        stack.callback(file.unlink, missing_ok=True)
        file.write_text("A file of the host.\n")
        stack.callback(program.unlink, missing_ok=True)
        program.symlink_to(sleep)  # comm of proc_pid_comm(5) is the name by which a program was started
        stack.callback(_end, _process([str(program), str(LIFE_S)]))
        port = stack.enter_context(_listening())
        stack.enter_context(_named(name))
        yield {
            "bait_name": name,
            "bait_file": str(file),
            "bait_port": f"{port:04x}",
            "boot_id": kernel.boot_id(),
            "memory_kb": str(kernel.host().memory_bytes // 1024),
        }


def _process(words: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        words,
        env=owner().environment(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@contextlib.contextmanager
def _listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """A socket in the abstract name space, which a network namespace divides: unix(7)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as named:
        named.bind(f"\0{name}")
        yield
