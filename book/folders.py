"""Where the project's parts are; all paths are absolute."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
HTML = BUILD / "html"
EXECUTED = BUILD / "jupyter_execute"
EXECUTION_CACHE = BUILD / ".jupyter_cache"
INSTALLED_PACKAGES = ROOT / ".installed-packages"
