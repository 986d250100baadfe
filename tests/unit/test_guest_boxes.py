"""What a guest says of its containers, taken apart; and what its runtime is told."""

from __future__ import annotations

import json

import pytest

from sandboxes import guests
from sandboxes.errors import BadRequest
from sandboxes.guests.boxes.bundle import bundle, call_filter, process
from sandboxes.guests.boxes.reading import parse_files, parse_members
from sandboxes.guests.boxes.wanted import Wanted, wanted
from sandboxes.limits import DEFAULT, Room
from sandboxes.setting import Setting

ROOM = Room(256 << 20, 1)
FILTER = json.dumps(
    {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": []},
            {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "excludes": {"caps": ["CAP_BPF"]}},
            {"names": ["arm_sync"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
        ],
    }
)
PROCESSES = """129
6.1.0-56-cloud-amd64
0411b26a-d0c7-4478-8b27-b3b7e6db8389
total 0
lrwxrwxrwx    1 root     root             0 Nov 25 08:00 pid -> pid:[4026532125]
lrwxrwxrwx    1 root     root             0 Nov 25 08:00 uts -> uts:[4026532123]
== status
/proc/129/status:Name:\tsh
/proc/129/status:State:\tS (sleeping)
/proc/129/status:Pid:\t129
/proc/129/status:PPid:\t1
/proc/129/status:VmRSS:\t       4 kB
/proc/129/status:Threads:\t1
/proc/129/status:NSpid:\t129\t1
/proc/129/status:CapEff:\t0000000000000000
/proc/129/status:NoNewPrivs:\t1
/proc/129/status:Seccomp:\t2
== cmdline
==> /proc/129/cmdline <==
sh\0-c\0trap\0
"""


def asked(**changes: object) -> Wanted:
    usual: dict[str, object] = {"profile": "hardened", "memory": "32M", "cpus": 0.5, "pids": 20, "env": {"A": "1"}}
    given = usual | changes
    return wanted(
        ROOM,
        None,
        given["memory"],  # type: ignore[arg-type]
        given["cpus"],  # type: ignore[arg-type]
        given["pids"],  # type: ignore[arg-type]
        None,
        str(given["profile"]),
        None,
        given["env"],  # type: ignore[arg-type]
        "inner",
    )


def test_members_are_numbered_in_guest_and_container() -> None:
    seen = parse_members(PROCESSES)
    assert (seen.kernel, seen.init.pid, seen.init.pid_inside) == ("6.1.0-56-cloud-amd64", 129, 1)
    assert seen.init.namespaces == {"pid": 4026532125, "uts": 4026532123}
    assert [one.command for one in seen.processes] == ["sh -c trap"]


def test_a_container_whose_first_process_is_gone_has_no_members() -> None:
    with pytest.raises((LookupError, ValueError)):
        parse_members("\n6.1.0\nid\n== status\n== cmdline\n")


def test_files_of_several_lines_come_whole() -> None:
    said = "== files\nmemory.max:33554432\ncpu.stat:usage_usec 7\ncpu.stat:x 1\n"
    texts, _ = parse_files(said)
    assert texts == {"memory.max": "33554432\n", "cpu.stat": "usage_usec 7\nx 1\n"}


def test_the_runtime_is_told_the_profile_the_limits_and_the_variables() -> None:
    said = json.loads(bundle(asked(), FILTER))
    assert said["root"]["readonly"] is True
    assert said["process"]["user"] == {"uid": 1000, "gid": 1000}
    assert said["process"]["noNewPrivileges"] is True
    assert said["process"]["capabilities"]["effective"] == []
    assert "A=1" in said["process"]["env"]
    assert said["linux"]["resources"]["unified"]["memory.max"] == str(32 << 20)
    assert said["linux"]["resources"]["unified"]["pids.max"] == "20"
    assert {one["type"] for one in said["linux"]["namespaces"]} == {"pid", "network", "ipc", "uts", "mount", "cgroup"}


def test_an_unfiltered_one_has_no_filter_and_an_open_one_capabilities() -> None:
    assert "seccomp" not in json.loads(bundle(asked(profile="unfiltered"), FILTER))["linux"]
    said = json.loads(bundle(asked(profile="open"), FILTER))
    assert "CAP_CHOWN" in said["process"]["capabilities"]["effective"]
    assert said["linux"]["seccomp"]["defaultErrnoRet"] == 38


def test_a_command_keeps_the_walls_unless_it_asks_for_another_user() -> None:
    said = process(asked(), ("id",), Setting(cwd="/tmp", user="0:0", env={"A": "2"}))
    assert (said["user"], said["cwd"], said["noNewPrivileges"]) == ({"uid": 0, "gid": 0}, "/tmp", True)
    assert "A=2" in said["env"]
    assert "A=1" not in said["env"]


def test_rules_of_the_filter_apply_by_capability_and_processor() -> None:
    found = call_filter(FILTER, ())
    assert [rule["names"] for rule in found["syscalls"]] == [["read"], ["bpf"]]
    found = call_filter(FILTER, ("CAP_SYS_ADMIN", "CAP_BPF"))
    assert [rule["names"] for rule in found["syscalls"]] == [["read"], ["mount"]]


def test_limits_that_the_guest_has_no_room_for_are_refused() -> None:
    with pytest.raises(BadRequest, match="memory"):
        asked(memory="512M")
    assert asked(memory=DEFAULT, cpus=DEFAULT, pids=DEFAULT).limits.memory_bytes == 128 << 20


def test_containers_are_asked_for_with_yes_or_no() -> None:
    with pytest.raises(BadRequest, match="containers"):
        guests.guest(containers="yes")  # type: ignore[arg-type]
