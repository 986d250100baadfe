"""Words as busybox sh reads them back: nothing in them can become anything but text."""

from __future__ import annotations

from collections.abc import Sequence

_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r"}


def quoted(words: Sequence[str]) -> bytes:
    """One line for the agent: each word as $'…' with backslash, quote and line ends escaped."""
    return " ".join(f"$'{_escaped(word)}'" for word in words).encode(errors="surrogatepass")


def _escaped(word: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in word)
