"""Files of /proc and /sys that set or tell something about the whole machine.

A right to write is decided when a file is opened (open(2)); nothing is ever written to one of these.
"""

from __future__ import annotations

from sandboxes.model import Probe

_UNWRITTEN = "it is opened for writing and closed; nothing is written"
_UNREAD = "it is opened and not read"
_READS = "it reads a file that every user may read"


def _writes(id_: str, question: str, path: str, touches: str, reach: str = "kernel") -> Probe:
    return Probe(id_, question, f"syscall open {path} 1", touches, _UNWRITTEN, reach=reach, path=path)


SETTINGS = (
    _writes("write-setting", "Can it change a setting of the kernel?", "/proc/sys/vm/swappiness", "sysctl"),
    _writes(
        "write-network-setting", "Can it change a network setting?", "/proc/sys/net/ipv4/ip_forward", "sysctl", "net"
    ),
    _writes(
        "write-core-pattern",
        "Can it choose the program that the kernel starts after a crash?",
        "/proc/sys/kernel/core_pattern",
        "sysctl",
    ),
    _writes("write-sysrq", "Can it press the emergency keys?", "/proc/sysrq-trigger", "sysctl"),
    _writes("write-sys", "Can it change a driver's settings?", "/sys/module/printk/parameters/time", "sysfs"),
    Probe(
        "open-kcore",
        "Can it open the kernel's own memory?",
        "syscall open /proc/kcore 0",
        "memory",
        _UNREAD,
        capabilities=("CAP_SYS_RAWIO",),
        initial=True,
        path="/proc/kcore",
    ),
    Probe(
        "open-key-list",
        "Can it open the list of keys?",
        "syscall open /proc/keys 0",
        "keys",
        _UNREAD,
        path="/proc/keys",
    ),
    Probe(
        "open-timers",
        "Can it open the list of all timers?",
        "syscall open /proc/timer_list 0",
        "time",
        _UNREAD,
        path="/proc/timer_list",
    ),
    Probe(
        "list-firmware",
        "Can it look at the firmware's tables?",
        'set -- /sys/firmware/*; test -e "$1" && echo $# || echo ENOENT',
        "firmware",
        "it lists a folder",
        path="/sys/firmware",
    ),
    Probe(
        "see-addresses",
        "Does it see where the kernel's functions lie?",
        "grep -m 1 ' _text$' /proc/kallsyms | grep -qv ^0000000000000000 && echo 0 || echo hidden",
        "memory",
        _READS,
        capabilities=("CAP_SYSLOG",),
        initial=True,
    ),
    Probe(
        "same-boot",
        "Does it run on the host's kernel?",
        'test "$(cat /proc/sys/kernel/random/boot_id)" = $boot_id && echo 0 || echo hidden',
        "kernel",
        _READS,
    ),
    Probe(
        "see-host-memory",
        "Does it see how much memory the host has?",
        'grep -q "^MemTotal: *$memory_kb kB" /proc/meminfo && echo 0 || echo hidden',
        "memory",
        _READS,
    ),
)
