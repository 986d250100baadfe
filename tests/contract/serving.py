"""Serve a folder of pages in a process of its own, as `./textbook serve` does."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from pathlib import Path
from book import server
ready = lambda address: print(f"Book: {address}", flush=True)
sys.exit(server.serve(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), False, ready))
"""
STARTS_WITHIN_S = 60


@dataclass
class Served:
    """A server that runs; `address` carries the token, `base` ends with /book/."""

    process: subprocess.Popen[str]
    address: str

    @property
    def base(self) -> str:
        return self.address.partition("?")[0]

    @property
    def origin(self) -> str:
        return self.base.removesuffix("/book/")

    @property
    def token(self) -> str:
        return self.address.partition("token=")[2]

    def stop(self, number: signal.Signals = signal.SIGTERM, deadline_s: float = 20) -> int:
        """Exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


def start(command: list[str], cwd: Path = ROOT) -> Served:
    """Waits for the line that begins `Book: `; raises AssertionError with what was said when it does not come."""
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("Book: http://127.0.0.1:"):
            return Served(process, line.removeprefix("Book: ").strip())
    raise AssertionError(f"the server ended with {process.wait()} and said: {''.join(said)}")


def serve(html: Path, root: Path, port: int = 0) -> Served:
    return start([sys.executable, "-c", PROGRAM, str(html), str(root), str(port)])
