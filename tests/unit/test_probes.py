"""From the kernel's word to a reason: on recorded facts of places, without asking anybody."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from sandboxes.errors import BadRequest, Unavailable
from sandboxes.kernel import parse_mounts
from sandboxes.lifecycle import owner
from sandboxes.model import BARRIERS, CapabilitySets, IdRange, Privileges, Probe, ProbeMatrix, Standing
from sandboxes.probes import PROBES, probe
from sandboxes.probes.attribution import decide
from sandboxes.probes.bait import bait
from sandboxes.probes.barriers import CHECKS, Case, covering
from sandboxes.probes.script import parts, script, standing
from sandboxes.sandbox import host

MOUNTS = """\
600 550 0:60 / / rw,relatime - overlay overlay rw,lowerdir=/l/AB,upperdir=/d/diff,workdir=/d/work
601 600 0:62 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
602 600 0:63 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
605 600 0:66 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro
606 605 0:67 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,mode=755
607 606 0:29 /docker/1 /sys/fs/cgroup/cpu ro,nosuid,nodev,noexec,relatime master:1 - cgroup cgroup rw,cpu
608 601 0:62 /sys /proc/sys ro,nosuid,nodev,noexec,relatime - proc proc rw
609 601 0:63 /null /proc/keys rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
610 605 0:70 / /sys/firmware ro,relatime - tmpfs tmpfs ro
611 600 0:71 / /tmp rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,size=16384k
"""


def privileges(uid: int, *capabilities: str, filtered: bool, nnp: bool = False, outside: int = 0) -> Privileges:
    sets = CapabilitySets(capabilities, capabilities, (), capabilities, ())
    ranges = (IdRange(0, outside, 65536),)
    return Privileges(uid, uid, sets, "filter" if filtered else "disabled", None, nnp, ranges, ranges)


DOCKER = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SYS_CHROOT")
OPEN = Standing(
    place="box",
    kind="container",
    privileges=privileges(0, *DOCKER, filtered=True),
    boot_id="boot-1",
    namespaces={"mnt": 11, "pid": 12, "net": 13, "uts": 14, "user": 4026531837},
    mounts=parse_mounts(MOUNTS),
    devices=("b *:* m", "c *:* m", "c 1:3 rwm"),
    wall_ms=1.0,
)
UNFILTERED = replace(OPEN, privileges=privileges(0, *DOCKER, filtered=False))
HARDENED = replace(OPEN, privileges=privileges(1000, filtered=True, nnp=True))
ROOTLESS = replace(
    OPEN,
    privileges=privileges(0, *DOCKER, "CAP_SYS_ADMIN", "CAP_SYS_TIME", filtered=False, outside=100000),
    namespaces={**OPEN.namespaces, "user": 15},
)
SHARING = replace(
    ROOTLESS,
    privileges=privileges(
        0, "CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", filtered=True
    ),
    namespaces={"mnt": 1, "pid": 2, "net": 3, "uts": 4, "user": 15},
)
"""All capabilities of its own user namespace, and the host's namespaces of the other kinds."""
DIVIDED = replace(SHARING, namespaces={**OPEN.namespaces, "user": 15})
HOST = replace(UNFILTERED, place="host", namespaces={"mnt": 1, "pid": 2, "net": 3, "uts": 4, "user": 4026531837})
GUEST = replace(UNFILTERED, boot_id="boot-2", devices=(), mounts=())


def asked(id_: str) -> Probe:
    return next(one for one in PROBES if one.id == id_)


def reason(id_: str, word: str, who: Standing, *, built_in: bool | None = True) -> str:
    return decide(Case(asked(id_), word, who, HOST, built_in)).verdict


@pytest.mark.parametrize(
    ("id_", "word", "who", "verdict"),
    [
        ("set-clock", "EPERM", OPEN, "denied: capability"),
        ("set-clock", "EPERM", ROOTLESS, "denied: user namespace"),
        ("set-clock", "0", GUEST, "allowed: own kernel"),
        ("new-user-namespace", "EPERM", OPEN, "denied: seccomp"),
        ("new-user-namespace", "EPERM", UNFILTERED, "denied: policy"),
        ("new-user-namespace", "ENOSPC", UNFILTERED, "denied: limit"),
        ("mount", "EINVAL", ROOTLESS, "allowed: mnt namespace"),
        ("mount", "EPERM", OPEN, "denied: capability"),
        ("change-user", "EINVAL", ROOTLESS, "denied: user namespace"),
        ("change-user", "0", OPEN, "allowed: process"),
        ("see-host-process", "hidden", OPEN, "denied: namespace"),
        ("see-host-process", "hidden", GUEST, "denied: own kernel"),
        ("see-host-process", "77", replace(OPEN, namespaces=HOST.namespaces), "reaches the host"),
        ("reach-host-loopback", "ECONNREFUSED", OPEN, "denied: namespace"),
        ("reach-metadata", "ENETUNREACH", HARDENED, "denied: no route"),
        ("reach-metadata", "0", OPEN, "allowed: net namespace"),
        ("gain-privileges", "hidden", HARDENED, "denied: no new privileges"),
        ("write-setting", "EROFS", OPEN, "denied: read-only mount"),
        ("write-setting", "EACCES", HARDENED, "denied: file permission"),
        ("write-setting", "EACCES", ROOTLESS, "denied: user namespace"),
        ("write-cgroup", "EROFS", OPEN, "denied: read-only mount"),
        ("write-cgroup", "ENOENT", GUEST, "denied: missing file"),
        ("execute-from-tmp", "EACCES", HARDENED, "denied: mount option"),
        ("open-key-list", "3", OPEN, "denied: masked path"),
        ("open-key-list", "3", GUEST, "allowed: own kernel"),
        ("list-firmware", "ENOENT", OPEN, "denied: masked path"),
        ("list-firmware", "ENOENT", GUEST, "denied: missing file"),
        ("make-device", "0", OPEN, "allowed: mnt namespace"),
        ("make-device", "EPERM", ROOTLESS, "denied: user namespace"),
        ("open-made-device", "EPERM", OPEN, "denied: device cgroup"),
        ("open-made-device", "EPERM", replace(UNFILTERED, devices=("a *:* rwm",)), "denied: policy"),
        ("open-made-device", "EPERM", HARDENED, "denied: capability"),
        ("open-memory-device", "ENOENT", OPEN, "denied: missing device"),
        ("see-addresses", "hidden", OPEN, "denied: capability"),
        ("same-boot", "0", OPEN, "reaches the host"),
        ("raw-socket", "3", OPEN, "allowed: net namespace"),
        *((id_, "EPERM", SHARING, "denied: user namespace") for id_ in ("raw-socket", "packet-socket", "set-network")),
        *((id_, "EPERM", SHARING, "denied: user namespace") for id_ in ("mount", "unmount", "swap-root", "reboot")),
        ("set-hostname", "EPERM", SHARING, "denied: user namespace"),
        ("low-port", "EACCES", SHARING, "denied: user namespace"),
        ("raw-socket", "EPERM", DIVIDED, "denied: seccomp"),
        ("mount", "EPERM", DIVIDED, "denied: seccomp"),
        ("low-port", "EACCES", DIVIDED, "denied: policy"),
        ("signal-host-process", "ESRCH", replace(OPEN, mounts=()), "denied: namespace"),
        ("open-kvm", "EPERM", OPEN, "denied: device cgroup"),
        ("open-kvm", "EACCES", ROOTLESS, "denied: user namespace"),
    ],
)
def test_the_reason_follows_from_the_word_and_from_who_asks(id_: str, word: str, who: Standing, verdict: str) -> None:
    assert reason(id_, word, who) == verdict


@pytest.mark.parametrize(
    ("built_in", "who", "verdict"),
    [
        (True, OPEN, "denied: seccomp"),
        (None, OPEN, "denied: seccomp"),
        (False, OPEN, "denied: not built in"),
        (False, GUEST, "denied: not built in"),
    ],
)
def test_a_missing_call_is_told_from_a_filtered_one(built_in: bool | None, who: Standing, verdict: str) -> None:
    assert reason("load-kernel", "ENOSYS", who, built_in=built_in) == verdict


@pytest.mark.parametrize("word", ["", "clock", "found", "Killed", "-1", "E"])
def test_what_is_no_answer_counts_as_not_asked(word: str) -> None:
    answer = decide(Case(asked("set-clock"), word, OPEN, HOST, True))
    assert (answer.allowed, answer.verdict) == (None, "not asked")


def test_a_filter_may_stand_beside_a_user_namespace_that_does_not_own_the_network() -> None:
    answer = decide(Case(asked("raw-socket"), "EPERM", SHARING, HOST, True))
    assert (answer.denied_by, answer.also) == ("user namespace", ("seccomp",))


def test_an_answer_names_its_evidence_and_what_else_stands_there() -> None:
    answer = decide(Case(asked("write-setting"), "EACCES", HARDENED, HOST, True))
    assert answer.evidence == (
        "the kernel said EACCES (Permission denied)",
        "it asks as user 1000, without CAP_DAC_OVERRIDE",
        "proc is mounted read-only at /proc/sys",
    )
    assert (answer.denied_by, answer.also) == ("file permission", ("read-only mount",))


def test_a_capability_that_nobody_asked_for_is_mentioned() -> None:
    answer = decide(Case(asked("low-port"), "0", HARDENED, HOST, True))
    assert answer.allowed
    assert "CAP_NET_BIND_SERVICE is not in CapEff, and was not asked for" in answer.evidence


def test_the_name_of_a_place_decides_nothing() -> None:
    disguised = replace(OPEN, place="host", kind="host")
    for one in PROBES:
        for word in ("0", "EPERM", "EACCES", "hidden", "ENOENT"):
            plain, other = (decide(Case(one, word, who, HOST, True)) for who in (OPEN, disguised))
            assert replace(other, place="box") == plain


def test_the_list_is_long_and_each_probe_says_why_it_is_harmless() -> None:
    assert len(PROBES) >= 30
    assert len({one.id for one in PROBES}) == len({one.question for one in PROBES}) == len(PROBES)
    for one in PROBES:
        assert one.question.endswith("?") and one.harmless_because and one.touches
        assert one.reach in {"kernel", "process", "mnt", "pid", "net", "uts"}


def test_every_reason_is_explained_and_checked() -> None:
    assert set(BARRIERS) == {*CHECKS, "policy"}


def test_no_probe_writes_but_to_its_own_score_and_none_stops_what_it_traces() -> None:
    writers = {one.id for one in PROBES if re.search(r", write\b|>\s*/(proc|sys)", one.command)}
    assert writers == {"escape-oom-killer"}
    assert "/proc/self/oom_score_adj" in asked("escape-oom-killer").command
    tracers = [one for one in PROBES if "ptrace" in one.command]
    assert {one.id for one in tracers} == {"trace-host-process", "trace-own-child"}
    assert all(re.search(r"ptrace 16902 \$(bait|!) 0 0", one.command) for one in tracers), "PTRACE_SEIZE, its own only"
    assert not [one.id for one in PROBES if re.search(r"/proc/\d", one.command)]


PARTITIONS = """\
major minor  #blocks  name

   7        0      65156 loop0
  11        0    1048575 sr0
 252        0    8388608 zram0
"""


@pytest.mark.parametrize(
    ("disk", "opened"),
    [
        (" 254        0  268435456 vda", "24960 65024"),
        (" 259        0  500107608 nvme0n1", "24960 66304"),
        ("   8        0  500107608 sda", "24960 2048"),
        (" 179        0   31166976 mmcblk0", "24960 45824"),
        ("", "ENXIO"),
    ],
)
@pytest.mark.parametrize("shell", [["sh"], ["busybox", "sh"]])
def test_the_first_disk_is_neither_a_loop_device_nor_a_cd_drive(
    disk: str, opened: str, shell: list[str], tmp_path: Path
) -> None:
    table = tmp_path / "partitions"
    table.write_text(f"{PARTITIONS}{disk}\n")
    command = asked("open-disk").command.replace("/proc/partitions", str(table))
    done = _run([*shell, "-c", f'syscall() {{ echo "$@"; }}; {command}'])
    assert opened in done


@pytest.mark.parametrize("id_", ["gain-privileges", "execute-from-tmp", "set-clock", "open-kvm", "change-user"])
def test_where_no_system_call_can_be_made_nothing_was_asked(id_: str) -> None:
    assert shutil.which("syscall") is None
    words = _run(["sh", "-c", f"({asked(id_).command}) 2>&1"]).split()
    assert reason(id_, words[-1], OPEN) == "not asked", words


def _run(words: list[str]) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def test_the_bait_has_a_name_and_is_gone_afterwards() -> None:
    with bait() as variables:
        named = [path for path in Path("/proc").glob("[0-9]*/comm") if _comm(path) == variables["bait_name"]]
        assert len(named) == 1 and Path(variables["bait_file"]).exists()
    assert not named[0].exists() and not Path(variables["bait_file"]).exists()


@pytest.mark.parametrize("does", ['printf %s "$0" >/no/such/folder', "exit 3"])
def test_a_shell_that_takes_no_name_is_an_error_and_leaves_nothing(does: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandboxes.probes.bait._WAIT", does)
    with pytest.raises(Unavailable, match="/bin/sh said"), bait():
        pass
    assert not list(owner().folder.glob("bait-*"))


def _comm(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def test_a_path_is_shown_by_the_nearest_mount_above_it() -> None:
    mounts = parse_mounts(MOUNTS)
    seen = [covering(path, mounts) for path in ("/etc/passwd", "/proc/sys/vm/x", "/system", "/tmp")]
    assert seen == [mounts[0], mounts[6], mounts[0], mounts[9]]
    assert covering("/", ()) is None


def test_what_a_probe_prints_is_told_apart_by_a_random_word() -> None:
    output = "w1 status\nName:\tsh\nw1 boot_id\nabc\nw1 : mount\nnoise\nEPERM\nw1 : chroot\nw1 end\n"
    facts, said = parts(output, "w1")
    assert (facts["status"], facts["boot_id"]) == ("Name:\tsh\n", "abc\n")
    assert said == {"mount": "noise\nEPERM", "chroot": ""}


@pytest.mark.parametrize("output", ["", "w1 status\n", "sh: syntax error\n"])
def test_half_an_output_is_an_error(output: str) -> None:
    with pytest.raises(ValueError, match="stopped after"):
        parts(output, "w1")


def test_the_script_is_valid_for_the_shells_that_run_it() -> None:
    variables = {"bait_name": "a b'c", "bait_file": "/x", "bait_port": "1f90", "boot_id": "b", "memory_kb": "1"}
    text = script(PROBES, variables, "w1", bring=True)
    assert len(text) < 64 * 1024
    for shell in (["sh"], ["busybox", "sh"], ["bash"]):
        done = subprocess.run([*shell, "-n"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_who_asks_is_read_from_proc() -> None:
    caps = "".join(f"{name}:\t0000000000000001\n" for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
    ids = "".join(f"{name}:\t1000\t1001\t1000\t1000\n" for name in ("Uid", "Gid"))
    facts = {
        "status": f"Name:\tcat\n{ids}{caps}NoNewPrivs:\t1\nSeccomp:\t2\n",
        "uid_map": "         0     100000      65536\n",
        "gid_map": "         0     100000      65536\n",
        "boot_id": "abc\n",
        "namespaces": "lrwxrwxrwx 1 root root 0 Jan 1 00:00 uts -> uts:[42]\n",
        "mountinfo": MOUNTS,
        "devices": "a *:* rwm\n",
    }
    who = standing(facts, "box", "container", 3.0)
    rights = who.privileges
    assert (rights.uid, rights.capabilities.effective, rights.seccomp) == (1001, ("CAP_CHOWN",), "filter")
    assert (rights.uid_map, who.boot_id, who.namespaces) == ((IdRange(0, 100000, 65536),), "abc", {"uts": 42})
    assert (who.devices, len(who.mounts)) == (("a *:* rwm",), 10)


def test_a_matrix_is_looked_up_counted_and_printed() -> None:
    one, two = asked("set-clock"), asked("raw-socket")
    rows = tuple(
        tuple(decide(Case(each, word, who, HOST, True)) for who, word in ((OPEN, words[0]), (GUEST, words[1])))
        for each, words in ((one, ("EPERM", "0")), (two, ("3", "3")))
    )
    rows = tuple((row[0], replace(row[1], place="vm")) for row in rows)
    matrix = ProbeMatrix((one, two), (OPEN, replace(GUEST, place="vm")), rows, ("set-clock", "raw-socket"))
    assert matrix.answer("set-clock", "box").denied_by == "capability"
    assert matrix.counts("box") == {"allowed: net namespace": 1, "denied: capability": 1}
    assert matrix.counts("vm") == {"allowed: own kernel": 2}
    assert repr(matrix).splitlines()[1].split("  ")[0] == "Can it set the clock?"
    assert repr(matrix).endswith("2 of 2 rows differ")
    with pytest.raises(KeyError):
        matrix.answer("set-clock", "nowhere")
    with pytest.raises(KeyError):
        matrix.column("nowhere")


def test_bad_requests_are_told_before_anything_is_asked() -> None:
    for call in (lambda: probe(), lambda: probe(host(), host()), lambda: probe(host(), only=["no-such-probe"])):
        with pytest.raises(BadRequest):
            call()
