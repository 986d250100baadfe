"""What was seen: frozen records with units in their names.

Sizes end in `_bytes`, durations in `_ms`, `_s` or `_usec` (the kernel's own unit), shares of CPU are in cores.
`None` means that the kernel reports no limit or no such figure; it never means zero.
"""

from sandboxes.model.activity import Activity
from sandboxes.model.bare import BareContainer, Difference, Leak, Step
from sandboxes.model.boots import Boot, Initcall
from sandboxes.model.boxes import GuestContainer, Level
from sandboxes.model.cgroups import (
    CgroupDetails,
    CgroupLimits,
    CgroupSample,
    CpuStat,
    IoLimit,
    IoStat,
    MemoryParts,
    MemoryStat,
    NoLimit,
    PidsStat,
    Pressure,
    PressureStat,
    Stall,
    SwapStat,
)
from sandboxes.model.changes import Changes, Inventory, SeenCgroup, SeenLink, SeenMount, SeenProcess
from sandboxes.model.computers import Computer
from sandboxes.model.containers import Container
from sandboxes.model.cpuid import Cpuid, CpuidLeaf
from sandboxes.model.density import Density, DensityPoint
from sandboxes.model.emulator import (
    AddressSpace,
    BlockDevice,
    Descriptor,
    EmulatorProcess,
    Footprint,
    Hypervisor,
    MemoryRange,
    Migration,
    PciDevice,
    Translation,
    VirtioDevice,
    VirtualCpu,
)
from sandboxes.model.engines import Engine, Tier
from sandboxes.model.guests import EMULATED, Accelerator, Device, Guest
from sandboxes.model.images import Blob, BuildStep, ImageContents, ImageLayout, Layer, LayerEntry, SystemParts, Transfer
from sandboxes.model.limits import Limits
from sandboxes.model.links import Link, NetworkStack, Route
from sandboxes.model.machine import NAMESPACE_KINDS, Host, Namespaces, Process, Thread
from sandboxes.model.measuring import Check, Measurement, Ratio, Sample, Verdict
from sandboxes.model.namespaces import NamespaceGroup, NamespaceTies
from sandboxes.model.networks import HttpAnswer, Network
from sandboxes.model.orchestration import Heal, Moment, Rollout, Task
from sandboxes.model.places import Place, Result, Twin
from sandboxes.model.pools import PoolCost
from sandboxes.model.privileges import CapabilitySets, IdRange, Mount, Privileges, Shield
from sandboxes.model.probes import BARRIERS, Probe, ProbeAnswer, ProbeMatrix, Standing
from sandboxes.model.report import Problem, Report
from sandboxes.model.states import BalloonChange, Rollback, Shutdown, Stage
from sandboxes.model.surfaces import Surface
from sandboxes.model.templates import GuestTemplate
from sandboxes.model.xen import Xen, XenDomain

__all__ = [
    "BARRIERS",
    "EMULATED",
    "NAMESPACE_KINDS",
    "Accelerator",
    "Activity",
    "AddressSpace",
    "BalloonChange",
    "BareContainer",
    "Blob",
    "BlockDevice",
    "Boot",
    "BuildStep",
    "CapabilitySets",
    "CgroupDetails",
    "CgroupLimits",
    "CgroupSample",
    "Changes",
    "Check",
    "Computer",
    "Container",
    "CpuStat",
    "Cpuid",
    "CpuidLeaf",
    "Density",
    "DensityPoint",
    "Descriptor",
    "Device",
    "Difference",
    "EmulatorProcess",
    "Engine",
    "Footprint",
    "Guest",
    "GuestContainer",
    "GuestTemplate",
    "Heal",
    "Host",
    "HttpAnswer",
    "Hypervisor",
    "IdRange",
    "ImageContents",
    "ImageLayout",
    "Initcall",
    "Inventory",
    "IoLimit",
    "IoStat",
    "Layer",
    "LayerEntry",
    "Leak",
    "Level",
    "Limits",
    "Link",
    "Measurement",
    "MemoryParts",
    "MemoryRange",
    "MemoryStat",
    "Migration",
    "Moment",
    "Mount",
    "NamespaceGroup",
    "NamespaceTies",
    "Namespaces",
    "Network",
    "NetworkStack",
    "NoLimit",
    "PciDevice",
    "PidsStat",
    "Place",
    "PoolCost",
    "Pressure",
    "PressureStat",
    "Privileges",
    "Probe",
    "ProbeAnswer",
    "ProbeMatrix",
    "Problem",
    "Process",
    "Ratio",
    "Report",
    "Result",
    "Rollback",
    "Rollout",
    "Route",
    "Sample",
    "SeenCgroup",
    "SeenLink",
    "SeenMount",
    "SeenProcess",
    "Shield",
    "Shutdown",
    "Stage",
    "Stall",
    "Standing",
    "Step",
    "Surface",
    "SwapStat",
    "SystemParts",
    "Task",
    "Thread",
    "Tier",
    "Transfer",
    "Translation",
    "Twin",
    "Verdict",
    "VirtioDevice",
    "VirtualCpu",
    "Xen",
    "XenDomain",
]
