"""What appeared and vanished between two looks at a machine."""

from __future__ import annotations

import os
import subprocess

from sandboxes import kernel
from sandboxes.changes import changes, describe
from sandboxes.kernel import Photograph
from sandboxes.model import (
    Changes,
    Inventory,
    Mount,
    NamespaceGroup,
    SeenCgroup,
    SeenLink,
    SeenMount,
    SeenProcess,
)

INIT = SeenProcess(1, 5, 0, "init")
NOTHING = Inventory((), (), (), (), ())


def mount(number: int, target: str = "/") -> Mount:
    return Mount(number, 1, "0:5", "/", target, ("rw",), (), "overlay", "overlay", ("rw",))


def box(pid: int, started: int) -> Photograph:
    """The host's process, and one in namespaces that always have the same numbers."""
    groups = [NamespaceGroup("mnt", 1, (1,), "init", None), NamespaceGroup("net", 2, (1,), "init", None)]
    groups += [NamespaceGroup("mnt", 100, (pid,), "box", None), NamespaceGroup("net", 200, (pid,), "box", None)]
    inventory = Inventory(
        (INIT, SeenProcess(pid, started, 1, "box")),
        tuple(groups),
        (SeenCgroup("memory", "/box"), SeenCgroup("pids", "/box")),
        (SeenMount(1, mount(20)), SeenMount(100, mount(30)), SeenMount(100, mount(31, "/proc"))),
        (SeenLink(2, "lo"), SeenLink(200, "lo")),
    )
    return Photograph(inventory, {1: 5, pid: started})


EMPTY = Photograph(
    Inventory(
        (INIT,),
        (NamespaceGroup("mnt", 1, (1,), "init", None), NamespaceGroup("net", 2, (1,), "init", None)),
        (),
        (SeenMount(1, mount(20)),),
        (SeenLink(2, "lo"),),
    ),
    {1: 5},
)


def test_what_a_container_is_made_of_appears_and_vanishes() -> None:
    assert kernel.more(box(7, 50), EMPTY).counts() == {
        "processes": 1,
        "namespaces": 2,
        "cgroups": 2,
        "mounts": 2,
        "links": 1,
    }
    assert kernel.more(EMPTY, box(7, 50)) == NOTHING
    assert kernel.more(box(7, 50), box(7, 50)) == NOTHING


def test_a_number_that_the_kernel_gave_away_again_is_another_namespace() -> None:
    """The same numbers of namespaces, and even of the process: only the time of its start tells them apart."""
    seen = kernel.more(box(7, 90), box(7, 50))
    assert [process.started_ticks for process in seen.processes] == [90]
    assert [group.inode for group in seen.namespaces] == [100, 200]
    assert [one.mount.id for one in seen.mounts] == [30, 31]
    assert seen.links == (SeenLink(200, "lo"),)
    assert seen.cgroups == (), "a name is all that a cgroup has"


def test_a_namespace_lives_on_when_its_first_process_ends() -> None:
    before, after = box(7, 50), box(8, 60)
    shared = tuple(
        NamespaceGroup(group.kind, group.inode, (1, 7, 8), "box", None) for group in before.inventory.namespaces
    )
    both = Photograph(
        Inventory(before.inventory.processes, shared, (), before.inventory.mounts, before.inventory.links),
        {1: 5, 7: 50, 8: 60},
    )
    assert kernel.more(after, both).namespaces == ()
    assert kernel.more(after, both).mounts == ()


def test_the_text_says_what_was_created_and_removed() -> None:
    text = describe(Changes(kernel.more(box(7, 50), EMPTY), NOTHING, 12.3))
    assert text.splitlines() == [
        "created within 12 ms",
        "  processes 1     7 box",
        "  namespaces 2    mnt:[100] net:[200] of 7 box",
        "  cgroups 2       /box in memory pids",
        "  mounts 2        2 in mount namespace 100: / (overlay) /proc (overlay)",
        "  links 1         lo in network namespace 200",
        "removed within 12 ms",
        "  nothing",
    ]


def test_a_long_line_is_cut() -> None:
    many = Inventory((SeenProcess(7, 1, 1, "x" * 300),), (), (), (), ())
    assert max(map(len, describe(Changes(many, NOTHING, 1.0)).splitlines())) == 110


def test_looking_at_the_machine_changes_nothing_that_is_ours() -> None:
    with changes() as seen:
        pass
    ours = {process.pid for process in seen.created.processes if process.ppid == os.getpid()}
    assert ours == set()
    assert os.getpid() not in {process.pid for process in (*seen.created.processes, *seen.removed.processes)}


def test_a_process_is_seen_inside_the_block_and_its_end_after_it() -> None:
    with changes() as seen:
        child = subprocess.Popen(["sleep", "60"])
        assert child.pid in {process.pid for process in seen.created.processes}
    assert f"{child.pid} sleep 60" in str(seen)
    assert repr(seen).startswith("<changes in ")
    with changes() as later:
        child.kill()
        child.wait()
    assert child.pid in {process.pid for process in later.removed.processes}
    assert child.pid in {process.pid for process in seen.created.processes}, "what was seen stays as it was"


def test_kernel_threads_are_left_out() -> None:
    commands = {process.command for process in kernel.photograph().inventory.processes}
    assert "[kthreadd]" not in commands
