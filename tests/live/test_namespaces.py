"""Who shares which namespace, beside what lsns and ip say of the same machine."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sandboxes import kernel
from sandboxes.lifecycle import owner
from sandboxes.model import NAMESPACE_KINDS, NamespaceGroup

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="new namespaces of every kind need root")

KINDS = ("--user", "--map-root-user", "--pid", "--mount-proc", "--net", "--uts", "--ipc", "--cgroup", "--time")
NESTED = [
    "unshare",
    "--fork",
    *KINDS,
    "sh",
    "-c",
    "sleep 60 & exec unshare --fork --user --map-root-user --pid sleep 61",
]
NETWORK = """
ip link set lo up
ip link add left type veth peer name right
ip addr add 10.1.2.3/24 dev left
ip addr add 10.1.2.4/24 dev left
ip -6 addr add fd00:7::2/64 dev left nodad
ip link set left up
ip link set right up
ip route add default via 10.1.2.1
ip route add 192.168.0.0/16 via 10.1.2.9 metric 50
ip -6 route add default via fd00:7::1
echo ready
exec sleep 60
"""


@contextlib.contextmanager
def running(argv: list[str]) -> Iterator[subprocess.Popen[str]]:
    """With all that it started, ended with the session that it leads."""
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True, env=owner().environment())
    try:
        yield child
    finally:
        os.killpg(child.pid, 9)
        child.communicate()


class Nested(NamedTuple):
    """`outer` sleeps in a set of new namespaces; `maker` is there but for its user namespace, in which `inner` sleeps,
    in a pid namespace that `maker` made too."""

    maker: int
    outer: int
    inner: int


def sleeping_below(pid: int) -> Nested:
    """Once both sleep."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        found = [pid]
        for parent in found:
            found += [int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
        if [kernel.command(each) for each in found[-2:]] == ["sleep 60", "sleep 61"]:
            return Nested(*found[1:])
        time.sleep(0.02)
    raise AssertionError(f"only {found}")


@pytest.fixture(scope="module")
def nested() -> Iterator[Nested]:
    with running(NESTED) as child:
        yield sleeping_below(child.pid)


def listed() -> tuple[int, dict[tuple[str, int], dict[str, Any]]]:
    """The pid of lsns(8), and what it says, by kind and number. It fails when a process ends meanwhile: asked again."""
    command = ["lsns", "--json", "-o", "NS,TYPE,NPROCS,PID"]
    until = time.monotonic() + 20
    while True:
        asked = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said, errors = asked.communicate()
        if asked.returncode == 0:
            return asked.pid, {(one["type"], int(one["ns"])): one for one in json.loads(said)["namespaces"]}
        assert time.monotonic() < until, errors


def grouped() -> dict[tuple[str, int], NamespaceGroup]:
    return {(group.kind, group.inode): group for group in kernel.namespace_groups()}


def test_namespaces_are_those_of_lsns_with_as_many_processes_and_the_same_lowest(nested: Nested) -> None:
    """Processes come and go meanwhile, and lsns counts itself, so each namespace has until the deadline to agree.

    lsns may miss one whose last process is just ending, but not one that is there at every look.
    """
    known = {pid: kernel.namespaces(pid) for pid in (os.getpid(), nested.outer, nested.inner)}
    ours = known[os.getpid()]
    missing = {(kind, ids[kind]): "" for ids in known.values() for kind in NAMESPACE_KINDS}
    unlisted: set[tuple[str, int]] = set()
    until = time.monotonic() + 20
    while (missing or unlisted) and time.monotonic() < until:
        before, (lsns_pid, theirs), after = grouped(), listed(), grouped()
        unlisted = (before.keys() & after.keys()) - theirs.keys()
        for kind, inode in missing.keys() & before.keys() & theirs.keys() & after.keys():
            group, lsns = before[kind, inode], theirs[kind, inode]
            pids = {*group.pids, *([lsns_pid] if inode == ours[kind] else [])}
            same = (len(pids), min(pids)) == (lsns["nprocs"], lsns["pid"])
            if same and after[kind, inode].pids == group.pids:
                del missing[kind, inode]
            else:
                missing[kind, inode] = f"lsns: {lsns}; here: {group.pids}, then {after[kind, inode].pids}"
    assert not missing and not unlisted


def test_a_namespace_names_the_command_of_its_lowest_process(nested: Nested) -> None:
    group = grouped()["pid", kernel.namespaces(nested.inner)["pid"]]
    assert (group.pids, group.command) == ((nested.inner,), "sleep 61")


def test_parents_of_pid_and_user_namespaces_are_known(nested: Nested) -> None:
    ours, outer, inner = (kernel.namespaces(pid) for pid in (os.getpid(), nested.outer, nested.inner))
    for kind in ("pid", "user"):
        assert kernel.namespace_ties(nested.inner, kind).parent == outer[kind]
        assert kernel.namespace_ties(nested.outer, kind).parent == ours[kind]
        assert inner[kind] != outer[kind] != ours[kind]
    assert kernel.namespace_ties(nested.inner, "net").parent is None, "network namespaces are not nested"


def test_the_owner_of_a_namespace_is_the_user_namespace_that_made_it(nested: Nested) -> None:
    ours, outer, inner = (kernel.namespaces(pid) for pid in (os.getpid(), nested.outer, nested.inner))
    assert kernel.namespace_ties(nested.inner, "pid").owner == inner["user"]
    assert kernel.namespace_ties(nested.inner, "net").owner == outer["user"]
    assert kernel.namespace_ties(os.getpid(), "net").owner == ours["user"]
    assert kernel.namespace_ties(nested.outer, "user").owner_uid == 0
    assert kernel.namespace_ties(nested.outer, "net").owner_uid is None


def test_the_flag_is_that_of_clone(nested: Nested) -> None:
    flags = {kind: kernel.namespace_ties(nested.outer, kind).flag for kind in ("mnt", "net", "pid", "user", "time")}
    assert flags == {"mnt": 0x20000, "net": 0x40000000, "pid": 0x20000000, "user": 0x10000000, "time": 0x80}


def test_the_process_that_made_a_pid_namespace_is_not_in_it_but_its_children_are(nested: Nested) -> None:
    assert kernel.command(nested.maker).startswith("unshare")
    assert kernel.namespaces_of_children(nested.maker)["pid"] == kernel.namespaces(nested.inner)["pid"]
    assert kernel.namespaces(nested.maker)["pid"] == kernel.namespaces(nested.outer)["pid"]


def test_a_mapped_user_is_root_inside_and_only_there(nested: Nested) -> None:
    seen = kernel.privileges(nested.inner)
    assert [(ids.inside, ids.outside, ids.count) for ids in seen.uid_map] == [(0, 0, 1)]
    assert "CAP_SYS_ADMIN" in seen.capabilities.effective


def test_a_scan_of_all_processes_is_quick() -> None:
    begun = time.monotonic()
    for _ in range(3):
        kernel.namespace_groups()
    assert (time.monotonic() - begun) / 3 < 0.2


def test_a_network_namespace_is_what_ip_says() -> None:
    with running(["unshare", "--net", "sh", "-ec", NETWORK]) as child:
        assert child.stdout and child.stdout.readline() == "ready\n"

        def ip(*words: str) -> Any:
            argv = ["nsenter", "-t", str(child.pid), "-n", "ip", "-json", *words]
            return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)

        seen = kernel.network(child.pid)
        addresses = {
            link["ifname"]: {f"{one['local']}/{one['prefixlen']}" for one in link["addr_info"]} for link in ip("addr")
        }
        assert {link.name: set(link.addresses) for link in seen.links} == addresses
        routes = [*ip("route"), *ip("-6", "route")]
        assert sorted((route.destination, route.gateway or "", route.link) for route in seen.routes) == sorted(
            (_destination(route), route.get("gateway", ""), route["dev"]) for route in routes
        )
        sent = {link["ifname"]: link["stats64"]["tx"]["packets"] for link in ip("-s", "link")}
        assert all(link.sent_packets <= sent[link.name] for link in seen.links)


def _destination(route: dict[str, Any]) -> str:
    if route["dst"] == "default":
        return "::/0" if ":" in route["gateway"] else "0.0.0.0/0"
    return str(route["dst"])
