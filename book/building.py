"""Execute the pages and write the book. Every page runs once for each state of what it depends on."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys

from book.console import note, step
from book.folders import BUILD, EXECUTION_CACHE, HTML, ROOT
from sandboxes import doctor

DEPENDS_ON = ("sandboxes/**/*.py", "sandboxes/**/*.js", "sandboxes/**/*.css", "labs/**/*.py", "chapters/claims.yml")
TAIL_LINES = 60


def build() -> int:
    """Afterwards _build/html is the book and _build/jupyter_execute its executed notebooks; 0, or Sphinx' exit status.

    Warnings are errors. Pages that did not change are not executed again, unless the sandboxes, the ledger or the
    machine (kernel, engine, QEMU, accelerator) did: jupyter-cache looks at cells alone, so the whole cache goes then.
    """
    _forget_stale_outputs()
    command = [os.path.join(os.path.dirname(sys.executable), "jupyter-book"), "build", str(ROOT), "-W", "--keep-going"]
    with step("Executing the pages and building the book"):
        done = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True, check=False)
    (BUILD / "build.log").write_text(done.stdout + done.stderr)
    if done.returncode != 0:
        note("\n".join((done.stdout + done.stderr).splitlines()[-TAIL_LINES:]))
        note(f"The book was not built; the whole log is in {(BUILD / 'build.log').relative_to(ROOT)}.")
    elif not (HTML / "index.html").exists():
        note("Sphinx ended well and wrote no index.html.")
        return 1
    return done.returncode


def _environment() -> dict[str, str]:
    """PATH with .venv first, so that the kernels are ours; one hash seed, so that sets print the same each time."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "PYTHONHASHSEED": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


def _forget_stale_outputs() -> None:
    """Drop every cached output when what the cells depend on is not what they ran with."""
    state = fingerprint()
    mark = EXECUTION_CACHE / "ran-with"
    if EXECUTION_CACHE.exists() and (not mark.exists() or mark.read_text() != state):
        shutil.rmtree(EXECUTION_CACHE)
    EXECUTION_CACHE.mkdir(parents=True, exist_ok=True)
    mark.write_text(state)


def fingerprint() -> str:
    """One hash over the code that the cells import, the locked packages, and the facts of this machine."""
    digest = hashlib.sha256()
    for pattern in (*DEPENDS_ON, "requirements.lock"):
        for path in sorted(ROOT.glob(pattern)):
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    report = doctor()
    digest.update(repr((report.host, report.engine, report.accelerator, report.guest)).encode())
    return digest.hexdigest()
