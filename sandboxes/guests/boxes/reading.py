"""What a guest's kernel says of a container in it: asked in one command, read with the parsers for this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sandboxes import kernel
from sandboxes.guests.inside import parse_processes, parse_statuses
from sandboxes.model import NAMESPACE_KINDS, Process


def files_of(init: str) -> str:
    """Shell text for the folder of a container's cgroup; `init` is what its first process is called in it.

    parse_files reads what it prints.
    """
    return f"""
cd "$1" || exit
cat /proc/{init}/net/dev
echo '== files'
grep -sH '' cgroup.events cpu.* cpuset.cpus.effective io.* memory.[cehmops]* pids.*
true
"""


def processes_of(init: str) -> str:
    """Shell text for the same; parse_members reads what it prints."""
    return f"""
cd "$1" || exit
init={init}
pids=$(cat cgroup.procs */cgroup.procs 2>/dev/null)
echo $init
uname -r
cat /proc/sys/kernel/random/boot_id
ls -l /proc/$init/ns
echo '== status'
grep -sHE '^(Name|State|Pid|PPid|Threads|VmRSS|NSpid|CapEff|Seccomp|NoNewPrivs):' $(printf '/proc/%s/status ' $pids)
echo '== cmdline'
head -v -c 400 $(printf '/proc/%s/cmdline ' $pids) 2>/dev/null
true
"""


_PID = '$(cat "$2/pid")'
"""Of a container that crun made alone, its folder knows the first process."""
FILES, PROCESSES = files_of(_PID), processes_of(_PID)
"""Shell text for the folders of a container's cgroup and of the container."""

_FILE = re.compile(r"^([a-z.]+(?:\.[a-z_.]+)?):(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Members:
    """`processes` are all of the container, `init` its first; `status` are lines of that one's /proc/PID/status."""

    kernel: str
    boot_id: str
    init: Process
    status: str
    processes: tuple[Process, ...]


def parse_files(said: str) -> tuple[dict[str, str], tuple[int, int]]:
    """File -> text of the cgroup, and the bytes that its interfaces received and sent."""
    net, _, files = said.partition("== files\n")
    texts: dict[str, str] = {}
    for name, line in _FILE.findall(files):
        texts[name] = f"{texts.get(name, '')}{line}\n"
    return texts, kernel.parse_interfaces(net)


def parse_members(said: str) -> Members:
    """Raises LookupError or ValueError when the first process has ended."""
    head, _, rest = said.partition("== status\n")
    status, _, cmdline = rest.partition("== cmdline\n")
    init, release, boot_id, *links = head.splitlines()
    texts = parse_statuses(status)
    found = parse_processes(status, cmdline)
    (first,) = (one for one in found if one.pid == int(init))
    ids = {kind: number for kind, number in kernel.parse_links(links).items() if kind in NAMESPACE_KINDS}
    named = Process(**{**vars(first), "namespaces": ids})
    return Members(release, boot_id, named, texts[first.pid], found)
