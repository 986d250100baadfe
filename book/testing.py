"""Run the suite: one pytest session over unit, contract, live, faults, book and browser tests, in that order."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from book.folders import ROOT


def test(arguments: Sequence[str], *, full: bool) -> int:
    """pytest's exit status. `full` runs the long campaigns at their whole length instead of a tenth."""
    environment = {**os.environ, "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])}
    if full:
        environment["BOUNDARIES_SOAK"] = "1"
        arguments = arguments or ["-m", "soak"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env=environment, check=False
    ).returncode
