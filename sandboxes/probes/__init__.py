"""Boundary probes: what a place may do, and what stops it, asked of the kernel with calls that change nothing."""

from sandboxes.probes.asking import probe
from sandboxes.probes.questions import PROBES

__all__ = ["PROBES", "probe"]
