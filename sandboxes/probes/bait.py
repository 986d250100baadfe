"""A process, a file, a port and a socket of the host, set out to be found: does a place see them?"""

from __future__ import annotations

import contextlib
import secrets
import socket
import subprocess
from collections.abc import Iterator

from sandboxes import kernel
from sandboxes.errors import Unavailable
from sandboxes.lifecycle import owner

_WAIT = 'printf %s "$0" >/proc/$$/comm && echo && read -r _'
"""A shell that takes a name of its own (proc_pid_comm(5)), says so, and ends when nobody holds its input any more."""


@contextlib.contextmanager
def bait() -> Iterator[dict[str, str]]:
    """While inside: the variables for the script, with everything they name in place. Afterwards nothing is left.

    Raises Unavailable when a process of this machine cannot take a name.
    """
    name = f"bait-{secrets.token_hex(5)}"
    file = owner().folder / f"{name}.txt"
    with contextlib.ExitStack() as stack:
        stack.callback(file.unlink, missing_ok=True)
        file.write_text("A file of the host.\n")
        stack.enter_context(_process(name))
        port = stack.enter_context(_listening())
        stack.enter_context(_named(name))
        yield {
            "bait_name": name,
            "bait_file": str(file),
            "bait_port": f"{port:04x}",
            "boot_id": kernel.boot_id(),
            "memory_kb": str(kernel.host().memory_bytes // 1024),
        }


@contextlib.contextmanager
def _process(name: str) -> Iterator[None]:
    """While inside it runs; afterwards it has ended and been waited for, and its pipes are closed."""
    with subprocess.Popen(
        ["/bin/sh", "-c", _WAIT, name],
        env=owner().environment(),
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            said = process.stdout.readline() if process.stdout else b""
            if said != b"\n":
                raise Unavailable(
                    "Nothing can be set out to be found.",
                    seen=f"/bin/sh said {said.decode(errors='replace').strip()!r} instead of taking a name",
                    remedy="make dash, bash or busybox the machine's sh",
                )
            yield
        finally:
            process.kill()


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
