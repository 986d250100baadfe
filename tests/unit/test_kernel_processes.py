"""What /proc says about processes, their namespaces and their privileges."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sandboxes import kernel
from sandboxes.errors import SandboxGone, Unavailable
from sandboxes.kernel.reading import kilobytes, table
from sandboxes.model import NAMESPACE_KINDS, IdRange

RECORDED = Path(__file__).parent / "data" / "cgroup-v1"
CONTAINER = RECORDED.parent / "container"
STATUS = (RECORDED / "status").read_text()


def test_a_recorded_process_is_read_with_its_pid_inside() -> None:
    seen = kernel.parse_process(STATUS, (RECORDED / "cmdline").read_text())
    assert (seen.name, seen.command) == ("docker-init", "/sbin/docker-init -- sleep infinity")
    assert (seen.pid, seen.pid_inside, seen.threads, seen.rss_bytes) == (22880, 1, 1, 696 * 1024)


def test_pids_are_known_in_every_nested_namespace() -> None:
    assert kernel.pids_inside(STATUS) == (22880, 84, 1)
    assert kernel.sessions_inside("Pid:\t9\nNSpid:\t31\t9\nNSsid:\t26\t7\n") == (26, 7)
    assert kernel.sessions_inside("Pid:\t9\n") == (), "before Linux 4.1"


def test_a_kernel_thread_has_its_name_for_a_command() -> None:
    seen = kernel.parse_process("Name:\tkthreadd\nPid:\t2\nPPid:\t0\nThreads:\t1\n", "")
    assert (seen.command, seen.rss_bytes, seen.pid_inside) == ("[kthreadd]", 0, None)


def test_a_recorded_container_has_no_privileges() -> None:
    assert kernel.parse_capabilities(STATUS) == ()
    assert kernel.parse_seccomp(STATUS) == "filter"
    assert kernel.parse_no_new_privileges(STATUS)


def test_capabilities_are_named_by_their_bits() -> None:
    assert kernel.parse_capabilities("CapEff:\t0000000000000201") == ("CAP_CHOWN", "CAP_LINUX_IMMUTABLE")
    docker = kernel.parse_capabilities("CapEff:\t00000000a80425fb")
    assert len(docker) == 14 and "CAP_NET_RAW" in docker and "CAP_SYS_ADMIN" not in docker
    assert kernel.parse_capabilities("CapEff:\t0000080000000000") == ("CAP_43",), "newer than the table"


def test_capability_names_agree_with_the_kernel_s_last_one() -> None:
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    assert len(kernel.CAPABILITIES) <= last + 1 or last < 40
    assert kernel.CAPABILITIES[21] == "SYS_ADMIN" and kernel.CAPABILITIES[40] == "CHECKPOINT_RESTORE"


@pytest.mark.parametrize("profile", ["open", "hardened"])
def test_the_five_capability_sets_of_a_container(profile: str) -> None:
    seen = kernel.parse_privileges(
        *((CONTAINER / profile / name).read_text() for name in ("status", "uid_map", "gid_map"))
    )
    sets = seen.capabilities
    assert len(sets.bounding) == len(sets.effective) == len(sets.permitted) == (14 if profile == "open" else 0)
    assert sets.inheritable == sets.ambient == ()
    assert (seen.seccomp, seen.seccomp_filters, seen.no_new_privileges) == ("filter", 1, profile == "hardened")
    assert seen.uid == seen.gid == (0 if profile == "open" else 1000)
    assert seen.uid_map == seen.gid_map == (IdRange(0, 0, 4294967295),)


def test_an_older_kernel_does_not_count_seccomp_filters() -> None:
    status = "\n".join(line for line in STATUS.splitlines() if not line.startswith("Seccomp_filters"))
    assert kernel.parse_privileges(status, "", "").seccomp_filters is None


def test_user_maps_have_a_range_a_line() -> None:
    assert kernel.parse_id_map("         0       1000          1\n         1     100000      65536\n") == (
        IdRange(0, 1000, 1),
        IdRange(1, 100000, 65536),
    )


@pytest.mark.parametrize(("text", "mode"), [("0", "disabled"), ("1", "strict"), ("2", "filter")])
def test_seccomp_modes_have_names(text: str, mode: str) -> None:
    assert kernel.parse_seccomp(f"Seccomp:\t{text}\n") == mode


def test_namespaces_are_read_from_links_and_from_ls() -> None:
    assert kernel.parse_links(["mnt:[4026531832]", "pid:[4026531836]"]) == {"mnt": 4026531832, "pid": 4026531836}
    seen = kernel.parse_links((RECORDED / "namespaces").read_text().splitlines())
    assert tuple(seen) == NAMESPACE_KINDS
    assert (seen["pid"], seen["user"]) == (4026532400, 4026531837)


def test_our_own_namespaces_are_those_of_proc_self() -> None:
    seen = kernel.namespaces(os.getpid())
    assert seen["mnt"] == int(os.readlink("/proc/self/ns/mnt").strip("mnt:[]"))
    assert set(seen) <= set(NAMESPACE_KINDS)


def test_a_child_in_its_own_uts_namespace_differs_there_and_nowhere_else() -> None:
    if os.geteuid() != 0:
        pytest.skip("unshare --uts needs root")
    child = subprocess.Popen(["/usr/bin/unshare", "--uts", "sleep", "30"])
    try:
        ours, until = kernel.namespaces(os.getpid()), time.monotonic() + 5
        while (theirs := kernel.namespaces(child.pid)) == ours and time.monotonic() < until:
            time.sleep(0.01)
        assert {kind for kind in ours if ours[kind] != theirs[kind]} == {"uts"}
    finally:
        child.kill()
        child.wait()


def test_a_process_that_ended_is_gone() -> None:
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    for look in (kernel.process, kernel.threads, kernel.namespaces, kernel.pss_bytes, kernel.capabilities):
        with pytest.raises(SandboxGone, match=str(child.pid)):
            look(child.pid)


def test_a_process_of_somebody_else_is_unavailable_and_said_so() -> None:
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    script = (
        "import os\nfrom sandboxes import kernel\nfrom sandboxes.errors import Unavailable\nos.setuid(65534)\n"
        f"try: kernel.namespaces({os.getpid()})\nexcept Unavailable as error: print(error.seen)\n"
        f"assert kernel.process({os.getpid()}).namespaces == {{}}"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Permission denied" in done.stdout


def test_a_zombie_is_known_as_one() -> None:
    child = subprocess.Popen(["/bin/true"])
    until = time.monotonic() + 5
    path = Path(f"/proc/{child.pid}/status")
    while not kernel.is_zombie(path.read_text()) and time.monotonic() < until:
        time.sleep(0.01)
    assert kernel.is_zombie(path.read_text())
    child.wait()
    assert not kernel.is_zombie(Path("/proc/self/status").read_text())


def test_threads_are_counted_and_their_cpu_time_grows() -> None:
    stop = threading.Event()
    worker = threading.Thread(target=lambda: [None for _ in iter(stop.is_set, True)], daemon=True)
    before = {thread.tid for thread in kernel.threads(os.getpid())}
    worker.start()
    time.sleep(0.2)
    after = kernel.threads(os.getpid())
    stop.set()
    worker.join()
    (mine,) = (thread for thread in after if thread.tid == worker.native_id)
    assert mine.tid not in before
    assert 10 <= mine.cpu_ms <= 400


def test_a_thread_with_brackets_in_its_name_is_read() -> None:
    stat = "77 (a (b) c) S 1 1 1 0 -1 0 0 0 0 0 250 50 0 0 20 0 1 0 5"
    seen = kernel.parse_thread(stat, ticks_per_s=100)
    assert (seen.tid, seen.name, seen.cpu_ms) == (77, "a (b) c", 3000.0)


def test_the_proportional_share_is_positive_and_at_most_the_resident_size() -> None:
    assert kernel.parse_pss((RECORDED / "smaps_rollup").read_text()) > 0
    pss = kernel.pss_bytes(os.getpid())
    assert 0 < pss <= kernel.process(os.getpid()).rss_bytes * 1.1


def test_the_host_is_what_uname_and_meminfo_say() -> None:
    seen = kernel.host()
    assert seen.kernel == subprocess.check_output(["/bin/uname", "-r"], text=True).strip()
    assert seen.cpus == os.cpu_count()
    assert seen.memory_bytes == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert seen.cgroups in ("v1", "v2", "hybrid", "none")
    assert seen.boot_id == kernel.boot_id() and len(seen.boot_id) == 36


def test_small_texts_are_parsed() -> None:
    assert kernel.parse_os_release('ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n').startswith("Debian GNU")
    assert kernel.parse_os_release("ID=x\n") == ""
    assert kernel.parse_memory_total("MemTotal:       24683896 kB\nMemFree: 1 kB\n") == 24683896 * 1024
    assert kilobytes("8 kB") == 8192
    assert table("A: 1\nnothing\nB:\t2:3\n") == {"A": "1", "B": "2:3"}


def test_reading_of_a_forbidden_process_names_the_file() -> None:
    if os.geteuid() == 0:
        pytest.skip("root may look at every process")
    with pytest.raises(Unavailable, match="/proc/1/"):
        kernel.namespaces(1)
