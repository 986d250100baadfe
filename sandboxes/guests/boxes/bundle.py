"""A container as its runtime takes it: config.json. Source: OCI runtime specification, config.md, config-linux.md."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from sandboxes.guests.boxes.wanted import Wanted
from sandboxes.kernel import settings, weight_of
from sandboxes.model import CgroupLimits, Limits
from sandboxes.profile import Profile
from sandboxes.setting import Setting

BOXES = "/boxes"
"""A folder for each container, in the guest, and the path of its cgroup below the root of all."""

CGROUPS = "/sys/fs/cgroup"

USUAL_CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP"),
    *("NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
)
"""What Docker leaves to a container unless told otherwise (moby, oci/caps/defaults.go)."""

MASKED = (
    *("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list"),
    *("/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"),
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
"""Docker's lists (moby, oci/defaults.go)."""

INIT = ("sh", "-c", "trap exit TERM; while :; do sleep 86400 & wait; done")
"""Process 1: it reaps orphans, which a shell does while it waits, and ends at a signal."""

_NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup")
_NO = ("nosuid", "noexec", "nodev")
_MOUNTS = (
    ("/proc", "proc", "proc", _NO),
    ("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=64k")),
    ("/dev/pts", "devpts", "devpts", ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")),
    ("/dev/shm", "tmpfs", "shm", (*_NO, "mode=1777", "size=16m")),  # noqa: S108 - inside the container
    ("/dev/mqueue", "mqueue", "mqueue", _NO),
    ("/sys", "sysfs", "sysfs", (*_NO, "ro")),
    ("/sys/fs/cgroup", "cgroup", "cgroup", (*_NO, "relatime", "ro")),
)


def cgroup_folder(name: str) -> str:
    """Where the guest's kernel keeps the container's limits and counters."""
    return f"{CGROUPS}{BOXES}/{name}"


def bundle(wanted: Wanted, filter_json: str) -> str:
    """The text of config.json. `filter_json` is what containers-common gives to every container."""
    profile, config = wanted.profile, wanted.profile.host_config
    linux: dict[str, Any] = {
        "namespaces": [{"type": kind} for kind in _NAMESPACES],
        "cgroupsPath": f"{BOXES}/{wanted.name}",
        "resources": {"devices": [{"allow": False, "access": "rwm"}], "unified": unified(wanted.limits)},
        "maskedPaths": list(MASKED),
        "readonlyPaths": list(READ_ONLY),
    }
    if "seccomp=unconfined" not in config.get("SecurityOpt", ()):
        linux["seccomp"] = call_filter(filter_json, capabilities(profile))
    return json.dumps(
        {
            "ociVersion": "1.0.2",
            "process": process(wanted, INIT, Setting()),
            "root": {"path": "rootfs", "readonly": bool(config.get("ReadonlyRootfs"))},
            "hostname": wanted.name,
            "mounts": [*map(_mount, _MOUNTS), *_writable(profile)],
            "linux": linux,
        }
    )


def process(wanted: Wanted, words: Sequence[str], asked: Setting) -> dict[str, Any]:
    """A command in the container, its first or another; `asked.user` is in numbers. Source: config.md, "Process"."""
    profile, config = wanted.profile, wanted.profile.host_config
    user, _, group = (asked.user or profile.user).partition(":")
    variables = {**wanted.env, **asked.env}
    return {
        "terminal": False,
        "user": {"uid": int(user or 0), "gid": int(group or 0)},
        "args": list(words),
        "env": [*wanted.image.env, *(f"{name}={value}" for name, value in variables.items())],
        "cwd": asked.cwd or "/",
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities(profile)),
        "rlimits": [
            {"type": f"RLIMIT_{one['Name'].upper()}", "soft": one["Soft"], "hard": one["Hard"]}
            for one in config.get("Ulimits", ())
        ],
        "noNewPrivileges": "no-new-privileges:true" in config.get("SecurityOpt", ()),
    }


def unified(limits: Limits) -> dict[str, str]:
    """File -> text of the container's cgroup."""
    return {setting.file: setting.text for setting in settings(cgroup_limits(limits))}


def cgroup_limits(limits: Limits) -> CgroupLimits:
    """In the words of version 2; None leaves a limit as it is. A guest has no swap."""
    return CgroupLimits(
        cpus=limits.cpus,
        cpu_weight=weight_of(limits.cpu_shares) if limits.cpu_shares is not None else None,
        memory_bytes=limits.memory_bytes,
        pids=limits.pids,
    )


def capabilities(profile: Profile) -> list[str]:
    """Names as capabilities(7) writes them."""
    kept = () if "ALL" in profile.host_config.get("CapDrop", ()) else USUAL_CAPABILITIES
    return [f"CAP_{name}" for name in kept]


def call_filter(text: str, kept: Collection[str]) -> dict[str, Any]:
    """The filter for x86-64 and these capabilities, as a runtime takes it: its rules without their conditions.

    Source: containers-common, pkg/seccomp (includes, excludes); OCI runtime specification, config-linux.md, "Seccomp".
    """
    said = json.loads(text)
    rules = [_rule(rule) for rule in said["syscalls"] if _applies(rule, kept)]
    return {
        "defaultAction": said["defaultAction"],
        "defaultErrnoRet": said.get("defaultErrnoRet", 1),
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rules,
    }


def _applies(rule: dict[str, Any], kept: Collection[str]) -> bool:
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    return (
        set(includes.get("caps", ())) <= set(kept)
        and ("arches" not in includes or "amd64" in includes["arches"])
        and not set(excludes.get("caps", ())) & set(kept)
        and "amd64" not in excludes.get("arches", ())
    )


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {"names": rule["names"], "action": rule["action"], "args": rule.get("args") or []}
    return kept | ({"errnoRet": rule["errnoRet"]} if rule.get("errnoRet") else {})


def _mount(mount: tuple[str, str, str, tuple[str, ...]]) -> dict[str, Any]:
    place, kind, source, options = mount
    return {"destination": place, "type": kind, "source": source, "options": list(options)}


def _writable(profile: Profile) -> list[dict[str, Any]]:
    return [_mount((place, "tmpfs", "tmpfs", tuple(options.split(",")))) for place, options in profile.writable.items()]
