"""Text of /proc and /sys -> records. Each parser takes text, so that it also reads what a guest's kernel said."""

from sandboxes.kernel.cgroup_details import details
from sandboxes.kernel.cgroup_settings import Setting, settings, shares_of, weight_of
from sandboxes.kernel.cgroup_states import freeze_cgroup, is_frozen, kill_cgroup, thaw_cgroup
from sandboxes.kernel.cgroup_writer import attach, make_cgroup, named_cgroup, remove_cgroup, set_limits
from sandboxes.kernel.cgroups import Cgroup, cgroup_of, parse_membership, sample
from sandboxes.kernel.inventory import Photograph, more, photograph
from sandboxes.kernel.machine import boot_id, busy_share, host, parse_cpu_times, parse_memory_total, parse_os_release
from sandboxes.kernel.mounts import (
    CgroupMount,
    cgroup_layout,
    find_shields,
    mounts,
    parse_cgroup_mounts,
    parse_mounts,
    shields,
)
from sandboxes.kernel.namespaces import namespaces, namespaces_of_children, parse_links
from sandboxes.kernel.network import network, parse_network
from sandboxes.kernel.pressure import host_pressure, parse_pressure, pressure
from sandboxes.kernel.privileges import (
    CAPABILITIES,
    capabilities,
    no_new_privileges,
    parse_capabilities,
    parse_capability_sets,
    parse_id_map,
    parse_no_new_privileges,
    parse_privileges,
    parse_seccomp,
    privileges,
    seccomp_mode,
)
from sandboxes.kernel.processes import (
    command,
    is_zombie,
    parse_process,
    parse_pss,
    parse_thread,
    pids_inside,
    process,
    pss_bytes,
    threads,
)
from sandboxes.kernel.sharing import namespace_groups, namespace_ties

__all__ = [
    "CAPABILITIES",
    "Cgroup",
    "CgroupMount",
    "Photograph",
    "Setting",
    "attach",
    "boot_id",
    "busy_share",
    "capabilities",
    "cgroup_layout",
    "cgroup_of",
    "command",
    "details",
    "find_shields",
    "freeze_cgroup",
    "host",
    "host_pressure",
    "is_frozen",
    "is_zombie",
    "kill_cgroup",
    "make_cgroup",
    "more",
    "mounts",
    "named_cgroup",
    "namespace_groups",
    "namespace_ties",
    "namespaces",
    "namespaces_of_children",
    "network",
    "no_new_privileges",
    "parse_capabilities",
    "parse_capability_sets",
    "parse_cgroup_mounts",
    "parse_cpu_times",
    "parse_id_map",
    "parse_links",
    "parse_membership",
    "parse_memory_total",
    "parse_mounts",
    "parse_network",
    "parse_no_new_privileges",
    "parse_os_release",
    "parse_pressure",
    "parse_privileges",
    "parse_process",
    "parse_pss",
    "parse_seccomp",
    "parse_thread",
    "photograph",
    "pids_inside",
    "pressure",
    "privileges",
    "process",
    "pss_bytes",
    "remove_cgroup",
    "sample",
    "seccomp_mode",
    "set_limits",
    "settings",
    "shares_of",
    "shields",
    "thaw_cgroup",
    "threads",
    "weight_of",
]
