"""A container made by hand: kernel calls alone, one at a time (`steps`) or all of them (`container`)."""

from sandboxes.bare import calls
from sandboxes.bare.by_hand import ByHand, steps
from sandboxes.bare.leaks import leaks
from sandboxes.bare.sandbox import BareSandbox, container

__all__ = ["BareSandbox", "ByHand", "calls", "container", "leaks", "steps"]
