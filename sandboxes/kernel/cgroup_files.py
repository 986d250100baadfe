"""Reading single files of a cgroup, remembering which figure came from which."""

from __future__ import annotations

from pathlib import Path


class Files:
    """Reads files; `used` says which file each figure came from."""

    def __init__(self) -> None:
        self.used: dict[str, str] = {}

    def text(self, figure: str, path: Path) -> str:
        """The file's text. Raises FileNotFoundError."""
        content = path.read_text()
        self.used[figure] = str(path)
        return content

    def maybe(self, figure: str, path: Path) -> str | None:
        """The file's text, or None: the kernel is older than the file, or this is the root cgroup."""
        try:
            return self.text(figure, path)
        except FileNotFoundError:
            return None


def flat_keyed(content: str) -> dict[str, int]:
    """Lines of "key value" (Documentation/admin-guide/cgroup-v2.rst, "Interface Files")."""
    pairs = (line.split() for line in content.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}


def number_or_max(content: str) -> int | None:
    """A number, or None for "max": no limit."""
    word = content.strip()
    return None if word == "max" else int(word)
