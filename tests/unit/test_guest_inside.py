"""What a guest's kernel says is read like what the host's says."""

from __future__ import annotations

import pytest

from sandboxes.guests.inside import parse_answer, parse_namespaces

ANSWER = (
    "120\n6.1.0-56-cloud-amd64 x86_64\n33660801-798f-498f-bdbe-95ec15744e7e\n"
    "MemTotal:         223760 kB\n     1\n== cpu\nprocessor\t: 0\nmodel name\t: QEMU TCG CPU version 2.5+\n== ns\n"
    "lrwxrwxrwx    1 root     root     0 Nov 23 10:00 mnt -> mnt:[4026531841]\n"
    "lrwxrwxrwx    1 root     root     0 Nov 23 10:00 pid -> pid:[4026531836]\n"
    "lrwxrwxrwx    1 root     root     0 Nov 23 10:00 pid_for_children -> pid:[4026531836]\n"
    "== status\n"
    + "".join(
        f"/proc/{pid}/status:{line}\n"
        for pid, lines in {
            1: ("Name:\tinit", "State:\tS (sleeping)", "Pid:\t1", "PPid:\t0", "VmRSS:\t       8 kB", "Threads:\t1"),
            2: ("Name:\tkthreadd", "State:\tS (sleeping)", "Pid:\t2", "PPid:\t0", "Threads:\t1"),
            85: ("Name:\tagent", "State:\tS (sleeping)", "Pid:\t85", "PPid:\t1", "VmRSS:\t    1724 kB", "Threads:\t1"),
            90: ("Name:\tagent", "State:\tZ (zombie)", "Pid:\t90", "PPid:\t1", "Threads:\t1"),
            99: ("Name:\tgone", "State:\tR (running)"),
            120: ("Name:\tsh", "State:\tS (sleeping)", "Pid:\t120", "PPid:\t119", "VmRSS:\t    4 kB", "Threads:\t1"),
            121: ("Name:\tgrep", "State:\tR (running)", "Pid:\t121", "PPid:\t120", "VmRSS:\t    4 kB", "Threads:\t1"),
        }.items()
        for line in lines
    )
    + "== cmdline\n==> /proc/1/cmdline <==\ninit\0\n==> /proc/2/cmdline <==\n\n==> /proc/85/cmdline <==\n"
    "/bin/busybox\0sh\0/sbin/agent\0\n==> /proc/120/cmdline <==\nsh\0-c\0\necho == cmdline\n\n"
    "==> /proc/121/cmdline <==\ngrep\0"
)


def test_a_guest_is_read_in_one_answer() -> None:
    inside = parse_answer(ANSWER)
    assert (inside.kernel, inside.cpu) == ("6.1.0-56-cloud-amd64", "QEMU TCG CPU version 2.5+")
    assert (inside.machine, inside.byte_order) == ("x86_64", "little-endian")
    assert inside.boot_id == "33660801-798f-498f-bdbe-95ec15744e7e"
    assert inside.memory_bytes == 223760 * 1024
    assert inside.namespaces == {"mnt": 4026531841, "pid": 4026531836}


def test_the_question_zombies_and_vanished_processes_are_left_out() -> None:
    assert [(process.pid, process.command) for process in parse_answer(ANSWER).processes] == [
        (1, "init"),
        (2, "[kthreadd]"),
        (85, "/bin/busybox sh /sbin/agent"),
    ]


@pytest.mark.parametrize("cut", [0, 10, 60, 120])
def test_half_an_answer_is_an_error(cut: int) -> None:
    with pytest.raises((ValueError, KeyError)):
        parse_answer(ANSWER[:cut])


def test_namespaces_carry_the_boot_id_of_their_kernel() -> None:
    assert parse_namespaces("abc-def\nl 1 uts -> uts:[4026531838]\n") == ("abc-def", {"uts": 4026531838})
