"""Two photographs of a process, and what is different between them."""

from __future__ import annotations

from sandboxes.bare.photograph import differences, mount_facts, network_facts, process_facts
from sandboxes.model import Difference, Step

STATUS = """Name:\tpython
Uid:\t0\t1000\t1000\t1000
NSpid:\t4711\t1
CapEff:\t0000000000000021
CapBnd:\t000001ffffffffff
NoNewPrivs:\t1
Seccomp:\t2
"""
MOUNTINFO = """21 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 21 0:25 / /proc rw,relatime master:3 - proc proc rw
31 30 0:26 / /proc rw,nosuid,nodev,noexec - proc proc rw
32 21 0:27 / /my\\040place ro - tmpfs tmpfs rw,size=4k
"""
DEV = """Inter-|   Receive
 face |bytes    packets
    lo:       0       0
  eth0:    1200      10
"""
TRIE = """Main:
  +-- 127.0.0.0/8 2 0 2
     |-- 127.0.0.1
        /32 host LOCAL
Local:
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 192.0.2.7
        /32 host LOCAL
     |-- 192.0.2.255
        /32 link BROADCAST
"""


def test_a_process_s_rights_are_read_from_its_status() -> None:
    assert process_facts(STATUS) == {
        "process (outside, inside)": "4711 1",
        "user": "1000",
        "capabilities": "2: chown kill",
        "capabilities that can ever be had": "41",
        "no new privileges": "True",
        "seccomp": "filter",
    }


def test_of_two_mounts_at_one_place_the_last_one_shows() -> None:
    facts = mount_facts(MOUNTINFO)
    assert facts["mount at /proc"] == "proc proc (rw,nosuid,nodev,noexec)"
    assert facts["mount at /"] == "ext4 /dev/vda (rw,relatime)"
    assert facts["mounts that hear of the host's"] == "2"


def test_own_addresses_are_told_from_broadcast_ones() -> None:
    assert network_facts(DEV, TRIE) == {"interfaces": "lo eth0", "own addresses": "127.0.0.1 192.0.2.7"}
    assert network_facts("", "") == {"interfaces": "", "own addresses": "none"}


def test_only_what_changed_is_told() -> None:
    found = differences({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "4", "d": "5"})
    assert found == (Difference("b", "2", "4"), Difference("c", "3", None), Difference("d", None, "5"))


def test_a_step_shows_a_dozen_differences_and_counts_the_rest() -> None:
    step = Step("pivot_root", "pivot_root(2)", 0.25, tuple(Difference(str(n), None, "x") for n in range(40)))
    lines = str(step).splitlines()
    assert lines[0] == "pivot_root: pivot_root(2), 0.25 ms"
    assert lines[1].strip() == "0: none → x"
    assert lines[-1].strip() == "… and 26 more"
    assert len(step.changed) == 40
