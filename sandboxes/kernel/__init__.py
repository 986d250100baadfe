"""Text of /proc and /sys -> records. Each parser takes text, so that it also reads what a guest's kernel said."""

from sandboxes.kernel.cgroup_details import details
from sandboxes.kernel.cgroup_settings import Setting, settings, shares_of, weight_of
from sandboxes.kernel.cgroup_states import freeze_cgroup, is_frozen, kill_cgroup, thaw_cgroup
from sandboxes.kernel.cgroup_writer import attach, join, make_cgroup, remove_cgroup, set_limits
from sandboxes.kernel.cgroups import Cgroup, cgroup_of, parse_membership, sample
from sandboxes.kernel.machine import boot_id, busy_share, host, parse_cpu_times, parse_memory_total, parse_os_release
from sandboxes.kernel.mounts import CgroupMount, cgroup_layout, parse_cgroup_mounts
from sandboxes.kernel.namespaces import namespaces, parse_links
from sandboxes.kernel.pressure import host_pressure, parse_pressure, pressure
from sandboxes.kernel.privileges import (
    CAPABILITIES,
    capabilities,
    no_new_privileges,
    parse_capabilities,
    parse_no_new_privileges,
    parse_seccomp,
    seccomp_mode,
)
from sandboxes.kernel.processes import (
    is_zombie,
    parse_process,
    parse_pss,
    parse_thread,
    pids_inside,
    process,
    pss_bytes,
    threads,
)

__all__ = [
    "CAPABILITIES",
    "Cgroup",
    "CgroupMount",
    "Setting",
    "attach",
    "boot_id",
    "busy_share",
    "capabilities",
    "cgroup_layout",
    "cgroup_of",
    "details",
    "freeze_cgroup",
    "host",
    "host_pressure",
    "is_frozen",
    "is_zombie",
    "join",
    "kill_cgroup",
    "make_cgroup",
    "namespaces",
    "no_new_privileges",
    "parse_capabilities",
    "parse_cgroup_mounts",
    "parse_cpu_times",
    "parse_links",
    "parse_membership",
    "parse_memory_total",
    "parse_no_new_privileges",
    "parse_os_release",
    "parse_pressure",
    "parse_process",
    "parse_pss",
    "parse_seccomp",
    "parse_thread",
    "pids_inside",
    "pressure",
    "process",
    "pss_bytes",
    "remove_cgroup",
    "sample",
    "seccomp_mode",
    "set_limits",
    "settings",
    "shares_of",
    "thaw_cgroup",
    "threads",
    "weight_of",
]
