"""The book, built once for all tests that look at it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from book.folders import HTML, ROOT


@pytest.fixture(scope="session")
def built() -> Path:
    """Folder of the built pages; warnings are errors."""
    command = [sys.executable, "-m", "book", "build"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
    return HTML
