"""What the kernel reports about one process, as plain words, so that two moments can be compared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from sandboxes import kernel
from sandboxes.model import Difference

_PATHS = {"uid_map": "users", "gid_map": "groups"}


def photograph(pid: int, hostname: str) -> dict[str, str]:
    """Its namespaces, mounts, users, cgroups, network and rights; `hostname` is what it said itself.

    Source: proc_pid_ns(5), proc_pid_mountinfo(5), proc_pid_status(5), proc_pid_cgroup(5), user_namespaces(7).
    Raises SandboxGone.
    """
    folder = Path(f"/proc/{pid}")
    read = {name: (folder / name).read_text() for name in ("status", "mountinfo", "cgroup", "uid_map", "gid_map")}
    found = {f"{kind} namespace": str(number) for kind, number in kernel.namespaces(pid).items()}
    found |= process_facts(read["status"]) | mount_facts(read["mountinfo"])
    found |= {
        f"cgroup of {name or 'version 2'}": path for name, path in kernel.parse_membership(read["cgroup"]).items()
    }
    found |= {f"{_PATHS[name]} (inside, outside, count)": " ".join(read[name].split()) or "none" for name in _PATHS}
    found |= network_facts((folder / "net/dev").read_text(), (folder / "net/fib_trie").read_text())
    return {**found, "host name": hostname}


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Difference, ...]:
    """What is not the same, in the order of the photographs."""
    names = dict.fromkeys([*before, *after])
    pairs = ((name, before.get(name), after.get(name)) for name in names)
    return tuple(Difference(name, old, new) for name, old, new in pairs if old != new)


def process_facts(status: str) -> dict[str, str]:
    """Who it is and what it may do, from the text of /proc/PID/status."""
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    rights = [name.removeprefix("CAP_").lower() for name in kernel.parse_capabilities(status)]
    return {
        "process (outside, inside)": " ".join(fields["NSpid"].split()),
        "user": fields["Uid"].split()[1],
        "capabilities": f"{len(rights)}: {' '.join(rights)}" if rights else "none",
        "capabilities that can ever be had": str(int(fields["CapBnd"], 16).bit_count()),
        "no new privileges": str(kernel.parse_no_new_privileges(status)),
        "seccomp": kernel.parse_seccomp(status),
    }


def mount_facts(mountinfo: str) -> dict[str, str]:
    """A line for each place where something is mounted; of several at one place the last, which hides the others."""
    found, shared = {}, 0
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        words, (kind, source, _) = left.split(" "), right.split(" ", 2)
        found[f"mount at {words[4]}"] = f"{kind} {source} ({words[5]})"
        shared += any(word.startswith(("shared:", "master:")) for word in words[6:])
    return {**found, "mounts that hear of the host's": str(shared)}


def network_facts(dev: str, fib_trie: str) -> dict[str, str]:
    """Interfaces, from net/dev, and this network namespace's own addresses, from net/fib_trie (lines "host LOCAL")."""
    names = [line.partition(":")[0].strip() for line in dev.splitlines() if ":" in line]
    own = re.findall(r"-- (\S+)\n\s+/32 host LOCAL", fib_trie)
    return {"interfaces": " ".join(names), "own addresses": " ".join(dict.fromkeys(own)) or "none"}
