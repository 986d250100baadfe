"""Give the machine back: end what was left running, remove what was made. Standard library only, as .venv goes too."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys

from book.folders import BUILD, INSTALLED_PACKAGES, ROOT
from sandboxes.lifecycle.sweep import leave, sweep

MADE = (
    ROOT / ".venv",
    BUILD,
    ROOT / "book/vendor",
    ROOT / "sandboxes/view/vendor",
    ROOT / "tests/screenshots",
    ROOT / ".pytest_cache",
    ROOT / ".mypy_cache",
    ROOT / ".ruff_cache",
)


def remove_packages(packages: list[str]) -> int:
    """Uninstall the packages that set-up installed; apt's exit status."""
    root = [] if os.geteuid() == 0 else ["sudo"]
    status = subprocess.run([*root, "apt-get", "purge", "-y", *packages], check=False).returncode
    if status == 0:
        INSTALLED_PACKAGES.unlink()
    return status


def clean(*, with_packages: bool = False) -> int:
    """Afterwards nothing that set-up or a build made is left in this folder; caches under ~/.cache stay."""
    swept = sweep()
    leave()
    for path in MADE:
        shutil.rmtree(path, ignore_errors=True)
    for path in ROOT.rglob("__pycache__"):
        shutil.rmtree(path, ignore_errors=True)
    print(f"Removed the build, the browser libraries and .venv; swept {swept} dead owner(s).")
    packages = INSTALLED_PACKAGES.read_text().split() if INSTALLED_PACKAGES.exists() else []
    if packages and with_packages:
        return remove_packages(packages)
    if packages:
        print(f"Set-up installed {len(packages)} system packages; `./textbook clean --packages` uninstalls them:")
        print("  " + " ".join(packages))
    return 0


def main(argv: list[str]) -> int:
    """`clean [--packages]`, also without .venv."""
    parser = argparse.ArgumentParser(prog="textbook clean", description=clean.__doc__)
    parser.add_argument("--packages", action="store_true", help="also uninstall the system packages that set-up added")
    return clean(with_packages=parser.parse_args(argv).packages)


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
