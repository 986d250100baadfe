"""What a guest's own kernel says, asked in one command and read with the parsers that read the host's."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sandboxes.kernel import is_zombie, parse_links, parse_memory_total, parse_process
from sandboxes.model import Process

NAMESPACES = "cat /proc/sys/kernel/random/boot_id; ls -l /proc/1/ns"
"""Shell text; parse_namespaces reads what it prints."""

QUESTION = """
echo $$
uname -rm
cat /proc/sys/kernel/random/boot_id
grep '^MemTotal' /proc/meminfo
printf '\\1\\0' | od -An -tu2
echo '== cpu'
head -40 /proc/cpuinfo
echo '== ns'
ls -l /proc/1/ns
echo '== status'
grep -HE '^(Name|State|Pid|PPid|Threads|VmRSS|NSpid):' /proc/[0-9]*/status
echo '== cmdline'
head -c 400 /proc/[0-9]*/cmdline
true
"""
"""Shell text; parse_answer reads what it prints."""

_CPU_FIELDS = ("CPU implementer", "CPU part", "vendor_id", "machine")
"""What identifies a processor where no "model name" does: on Arm the first two, on s390x the last."""

_STATUS = re.compile(r"^/proc/(\d+)/status:(.*)$", re.MULTILINE)
_CMDLINE = re.compile(r"==> /proc/(\d+)/cmdline <==\n(.*?)\n*(?===> /proc/|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Inside:
    """The guest from within. `processes` leaves out the question itself and what has ended but is still listed."""

    kernel: str
    machine: str
    byte_order: str
    boot_id: str
    cpu: str
    memory_bytes: int
    namespaces: dict[str, int]
    processes: tuple[Process, ...]


def parse_namespaces(answer: str) -> tuple[str, dict[str, int]]:
    """The guest's boot id, and kind -> number for its process 1."""
    boot_id, _, links = answer.partition("\n")
    return boot_id.strip(), parse_links(links.splitlines())


def parse_answer(answer: str) -> Inside:
    """Raises ValueError when the answer is not complete."""
    head, _, rest = answer.partition("== cpu\n")
    cpu, _, rest = rest.partition("== ns\n")
    links, _, rest = rest.partition("== status\n")
    status, last, cmdline = rest.partition("== cmdline\n")
    if not last:
        raise ValueError("the answer is not complete")
    asker, system, boot_id, memory, number = head.splitlines()
    release, machine = system.split()
    return Inside(
        kernel=release,
        machine=machine,
        byte_order="little-endian" if int(number) == 1 else "big-endian",
        boot_id=boot_id,
        cpu=parse_cpu(cpu),
        memory_bytes=parse_memory_total(memory),
        namespaces=parse_links(links.splitlines()),
        processes=tuple(one for one in parse_processes(status, cmdline) if int(asker) not in (one.pid, one.ppid)),
    )


def parse_cpu(cpuinfo: str) -> str:
    """What processor a kernel sees; each kind has words of its own. Source: proc(5), /proc/cpuinfo."""
    found: dict[str, str] = dict(re.findall(r"^(.+?)\s*: (.+)$", cpuinfo, re.MULTILINE))
    if "model name" in found:
        return found["model name"]
    return ", ".join(f"{name} {found[name]}" for name in _CPU_FIELDS if name in found)


def parse_statuses(status: str) -> dict[int, str]:
    """Pid -> the lines that grep -H printed of /proc/PID/status."""
    texts: dict[int, str] = {}
    for pid, line in _STATUS.findall(status):
        texts[int(pid)] = texts.get(int(pid), "") + line + "\n"
    return texts


def parse_processes(status: str, cmdline: str) -> tuple[Process, ...]:
    """From what grep -H printed of /proc/PID/status, and head -v of /proc/PID/cmdline, without what has ended."""
    commands = {int(pid): command for pid, command in _CMDLINE.findall(cmdline)}
    return tuple(
        parse_process(text, commands.get(pid, ""))
        for pid, text in sorted(parse_statuses(status).items())
        if "Threads:" in text and not is_zombie(text)
    )
