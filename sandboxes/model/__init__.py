"""What was seen: frozen records with units in their names.

Sizes end in `_bytes`, durations in `_ms`, `_s` or `_usec` (the kernel's own unit), shares of CPU are in cores.
`None` means that the kernel reports no limit or no such figure; it never means zero.
"""

from sandboxes.model.cgroups import CgroupSample, CpuStat, Limits, MemoryStat, PidsStat
from sandboxes.model.containers import Container, Engine
from sandboxes.model.guests import Accelerator, Device, Guest
from sandboxes.model.machine import NAMESPACE_KINDS, Host, Namespaces, Process, Thread
from sandboxes.model.measuring import Check, Measurement, Ratio, Sample, Verdict
from sandboxes.model.orchestration import Heal, Moment, Rollout, Task
from sandboxes.model.places import Place, Result, Twin
from sandboxes.model.report import Problem, Report

__all__ = [
    "NAMESPACE_KINDS",
    "Accelerator",
    "CgroupSample",
    "Check",
    "Container",
    "CpuStat",
    "Device",
    "Engine",
    "Guest",
    "Heal",
    "Host",
    "Limits",
    "Measurement",
    "MemoryStat",
    "Moment",
    "Namespaces",
    "PidsStat",
    "Place",
    "Problem",
    "Process",
    "Ratio",
    "Report",
    "Result",
    "Rollout",
    "Sample",
    "Task",
    "Thread",
    "Twin",
    "Verdict",
]
