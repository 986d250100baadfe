"""Who owns what: every process, container, cgroup and folder dies with the process that asked for it."""

from sandboxes.lifecycle.closing import Closing
from sandboxes.lifecycle.folders import RUNTIME, cache_folder, runtime_folder
from sandboxes.lifecycle.guard import MARK
from sandboxes.lifecycle.owner import LABEL, Owner, owner

__all__ = ["LABEL", "MARK", "RUNTIME", "Closing", "Owner", "cache_folder", "owner", "runtime_folder"]
