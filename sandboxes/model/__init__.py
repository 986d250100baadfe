"""What was seen: frozen records with units in their names.

Sizes end in `_bytes`, durations in `_ms`, `_s` or `_usec` (the kernel's own unit), shares of CPU are in cores.
`None` means that the kernel reports no limit or no such figure; it never means zero.
"""

from sandboxes.model.cgroups import (
    CgroupDetails,
    CgroupLimits,
    CgroupSample,
    CpuStat,
    IoLimit,
    IoStat,
    Limits,
    MemoryParts,
    MemoryStat,
    NoLimit,
    PidsStat,
    Pressure,
    PressureStat,
    Stall,
    SwapStat,
)
from sandboxes.model.containers import Container
from sandboxes.model.engines import Engine, Tier
from sandboxes.model.guests import Accelerator, Device, Guest
from sandboxes.model.machine import NAMESPACE_KINDS, Host, Namespaces, Process, Thread
from sandboxes.model.measuring import Check, Measurement, Ratio, Sample, Verdict
from sandboxes.model.places import Place, Result, Twin
from sandboxes.model.report import Problem, Report

__all__ = [
    "NAMESPACE_KINDS",
    "Accelerator",
    "CgroupDetails",
    "CgroupLimits",
    "CgroupSample",
    "Check",
    "Container",
    "CpuStat",
    "Device",
    "Engine",
    "Guest",
    "Host",
    "IoLimit",
    "IoStat",
    "Limits",
    "Measurement",
    "MemoryParts",
    "MemoryStat",
    "Namespaces",
    "NoLimit",
    "PidsStat",
    "Place",
    "Pressure",
    "PressureStat",
    "Problem",
    "Process",
    "Ratio",
    "Report",
    "Result",
    "Sample",
    "Stall",
    "SwapStat",
    "Thread",
    "Tier",
    "Twin",
    "Verdict",
]
