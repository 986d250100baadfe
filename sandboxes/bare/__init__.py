"""A container made by hand: kernel calls alone, one at a time (`steps`) or all of them (`container`)."""

from sandboxes.bare import calls
from sandboxes.bare.sandbox import BareSandbox, container

__all__ = ["BareSandbox", "calls", "container"]
