"""Virtual machines: the only place that knows QEMU."""

from sandboxes.guests.accelerator import choose_accelerator, known_accelerator
from sandboxes.guests.computer import MachineSandbox
from sandboxes.guests.computers import machine
from sandboxes.guests.job import Job
from sandboxes.guests.kernels import GuestKernel
from sandboxes.guests.sandbox import GuestSandbox
from sandboxes.guests.setup import GuestParts, found, prepare
from sandboxes.guests.snapshot import Snapshot
from sandboxes.guests.start import guest, needed_kernel
from sandboxes.guests.stock import stock_arguments, stock_boot_ms
from sandboxes.guests.template_cache import remove_templates, templates, templates_folder
from sandboxes.guests.xen.domain import Domain
from sandboxes.guests.xen.sandbox import XenSandbox
from sandboxes.guests.xen.start import xen

__all__ = [
    "Domain",
    "GuestKernel",
    "GuestParts",
    "GuestSandbox",
    "Job",
    "MachineSandbox",
    "Snapshot",
    "XenSandbox",
    "choose_accelerator",
    "found",
    "guest",
    "known_accelerator",
    "machine",
    "needed_kernel",
    "prepare",
    "remove_templates",
    "stock_arguments",
    "stock_boot_ms",
    "templates",
    "templates_folder",
    "xen",
]
