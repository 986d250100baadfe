"""Checks of the lab: they read the learner's real containers and the kernel's files, not what the notebook printed."""

from sandboxes.errors import SandboxError
from sandboxes.model import CgroupSample, Check

MIB = 1 << 20
TIGHT_MIB = 64
ROOMY_MIB = 128
BUFFER_MIB = 100


def _look(box, name):
    """The container's cgroup now, or in words why there is none to look at."""
    if box is None:
        return f"`{name}` is still None"
    if getattr(box, "kind", "") != "container":
        return f"`{name}` is {type(box).__name__}, not a container"
    try:
        return box.sample()
    except SandboxError:
        return f"`{name}` is not running any more"


def _mib(size):
    return "no limit" if size is None else f"{size / MIB:g} MiB"


def tight_limit(tight, roomy):
    """`tight` may use 64 MiB"""
    seen = _look(tight, "tight")
    found = isinstance(seen, CgroupSample)
    return Check(
        task=tight_limit.__doc__,
        passed=found and seen.memory.limit_bytes == TIGHT_MIB * MIB,
        observed=f"memory limit: {_mib(seen.memory.limit_bytes)}" if found else seen,
        expected=f"a running container whose cgroup has a memory limit of {TIGHT_MIB} MiB",
        why="The limit is a number in a file of the container's cgroup; it holds for all its processes together.",
        hint='`tight = sb.container(memory="64M")`; one that runs can be changed: `tight.limit(memory="64M")`.',
    )


def ran_out(tight, roomy):
    """A process in `tight` was ended by the kernel, for memory"""
    seen = _look(tight, "tight")
    found = isinstance(seen, CgroupSample)
    return Check(
        task=ran_out.__doc__,
        passed=found and seen.memory.oom_kills > 0,
        observed=f"killed by the kernel for memory: {seen.memory.oom_kills}" if found else seen,
        expected="at least one",
        why="Status 137 alone proves nothing: any SIGKILL looks like that. The kernel's own count (oom_kill) tells.",
        hint=f"Let a program *touch* more than it may: `dd if=/dev/zero of=/dev/null bs={BUFFER_MIB}M count=1`.",
    )


def still_there(tight, roomy):
    """`tight` survived it"""
    seen = _look(tight, "tight")
    found = isinstance(seen, CgroupSample)
    return Check(
        task=still_there.__doc__,
        passed=found and seen.pids.current > 0 and seen.memory.oom_kills > 0,
        observed=f"{seen.pids.current} processes, {seen.memory.oom_kills} killed for memory" if found else seen,
        expected="the container still runs after the kill",
        why="The kernel picks a victim inside the group, usually the largest. The container's first process is small.",
        hint="Use `tight.run(…)` for the hungry program, keep the container open, and make sure the kill came first.",
    )


def roomy_fits(tight, roomy):
    """In `roomy` the same program fits, with at most 128 MiB"""
    seen = _look(roomy, "roomy")
    found = isinstance(seen, CgroupSample)
    same = found and getattr(tight, "id", None) == roomy.id
    limit = seen.memory.limit_bytes if found else None
    peak = (seen.memory.peak_bytes or 0) if found else 0
    small = limit is not None and limit <= ROOMY_MIB * MIB
    hints = [
        (not found, 'Start a second container: `roomy = sb.container(memory="128M")`, and run the same command there.'),
        (same, "`roomy` is the same container as `tight`: start a second one."),
        (not small, f"Its limit is too generous: give it {ROOMY_MIB} MiB or less."),
        (
            found and seen.memory.oom_kills > 0,
            "The kernel had to kill here too: the limit is too small. Start `roomy` anew with more.",
        ),
        (peak < BUFFER_MIB * MIB, "Nothing in it has used that much yet: run the hungry command in `roomy`."),
    ]
    hint = next((text for wrong, text in hints if wrong), "")
    return Check(
        task=roomy_fits.__doc__,
        passed=not hint,
        observed="the same container as `tight`"
        if same
        else f"limit {_mib(limit)}, highest use {_mib(peak)}, killed for memory: {seen.memory.oom_kills}"
        if found
        else seen,
        expected=f"another container, limit at most {ROOMY_MIB} MiB, that has used {BUFFER_MIB} MiB, nothing killed",
        why="The buffer is not all: code, stack and the kernel's own bookkeeping for the process are counted too.",
        hint=hint,
    )


CHECKS = [tight_limit, ran_out, still_there, roomy_fits]
