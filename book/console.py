"""Progress that a person can follow: what is being done, for how long, and how it ended. All of it goes to stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console(stderr=True, highlight=False)

Tell = Callable[[str], None]


@contextmanager
def step(title: str) -> Iterator[Tell]:
    """Show `title` while the block runs; the value given is called with what it is at just now."""
    began = time.monotonic()
    with console.status(f"{title} …") as status:
        if not console.is_terminal:
            console.print(f"[dim]…[/] {title}")
        try:
            yield lambda text: status.update(f"{title}: {text} …")
        except BaseException:
            console.print(f"[red]✗[/] {title} [dim]({time.monotonic() - began:.1f} s)[/]")
            raise
    console.print(f"[green]✓[/] {title} [dim]({time.monotonic() - began:.1f} s)[/]")


def note(text: str) -> None:
    """One line of plain text."""
    console.print(text, markup=False)
