"""What a hardened container may not do: each refusal is asked of the kernel, in a real container."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandboxes import containers
from sandboxes.containers import ContainerSandbox

pytestmark = pytest.mark.usefixtures("engine_ready")


@pytest.fixture(scope="module")
def box(engine_ready: None) -> Iterator[ContainerSandbox]:
    with containers.container() as made:
        yield made


def test_it_has_no_capability_a_filter_and_no_way_to_gain_privileges(box: ContainerSandbox) -> None:
    facts = box.facts()
    assert (facts.capabilities, facts.seccomp, facts.no_new_privileges) == ((), "filter", True)
    assert facts.user == "1000:1000"


def test_every_command_has_no_more_than_process_1(box: ContainerSandbox) -> None:
    status = box.run("cat /proc/self/status").stdout
    for line in (
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "Uid:\t1000",
    ):
        assert line in status


@pytest.mark.parametrize(
    "command",
    [
        "touch /file",
        "touch /etc/passwd",
        "mount -t tmpfs none /tmp",
        "mknod /tmp/device b 254 0",
        "chown 0 /tmp",
        "su -c id",
        "hostname other",
        "date -s @$(date +%s)",
        "dmesg",
        "unshare -U true",
        "chroot / true",
        "insmod /tmp/x.ko",
        "reboot -f",
        "echo 1 > /proc/sys/kernel/sysrq",
        "echo h > /proc/sysrq-trigger",
        "cat /proc/kcore",
        "cp /bin/busybox /tmp/program && /tmp/program true",
        "ls /sys/firmware/*",
        "renice -n -5 -p 1",
    ],
)
def test_it_may_not(box: ContainerSandbox, command: str) -> None:
    done = box.run(command)
    assert done.exit_code != 0 or "not permitted" in done.stderr, repr(done)


def test_it_may_write_in_its_own_tmp_and_no_more_than_a_little(box: ContainerSandbox) -> None:
    assert box.run("echo text > /tmp/note && cat /tmp/note").stdout == "text\n"
    done = box.run("dd if=/dev/zero of=/tmp/big bs=1M count=30; rm /tmp/big")
    assert "No space left" in done.stderr


def test_it_sees_no_socket_of_an_engine_and_no_disk(box: ContainerSandbox) -> None:
    assert box.run("find / -name '*.sock' -not -path '/proc/*'").stdout == ""
    assert box.run("ls /dev").stdout.split() == sorted(box.run("ls /dev").stdout.split())
    assert not {"vda", "sda", "kvm", "mem", "kmsg"} & set(box.run("ls /dev").stdout.split())


def test_it_has_no_network_but_loopback(box: ContainerSandbox) -> None:
    assert box.run("ls /sys/class/net").stdout.split() == ["lo"]
    assert box.run("ip route").stdout == ""


def test_the_engine_was_asked_for_all_of_it(box: ContainerSandbox) -> None:
    seen = containers.engine().inspect(box.id)["HostConfig"]
    assert seen["CapDrop"] == ["ALL"] and seen["CapAdd"] is None
    assert seen["SecurityOpt"] == ["no-new-privileges:true"]
    assert (seen["Privileged"], seen["ReadonlyRootfs"], seen["NetworkMode"]) == (False, True, "none")
    assert (seen["IpcMode"], seen["CgroupnsMode"], seen["PidMode"], seen["UTSMode"]) == ("private", "private", "", "")
    assert [bind.partition(":")[2] for bind in seen["Binds"] or []] in ([], ["/etc/hosts:ro"])
    assert seen["Devices"] in (None, [])
    assert seen["RestartPolicy"]["Name"] == "no"
    assert {limit["Name"]: limit["Hard"] for limit in seen["Ulimits"]} == {"nofile": 1024, "core": 0}


def test_the_open_profile_is_docker_s_own_default() -> None:
    with containers.container(profile="open") as made:
        facts = made.facts()
        assert len(facts.capabilities) == 14 and "CAP_SYS_ADMIN" not in facts.capabilities
        assert (facts.seccomp, facts.no_new_privileges, facts.user) == ("filter", False, "root")
        assert made.run("touch /file; id -u").stdout == "0\n"
        assert made.run("mount -t tmpfs none /tmp").exit_code != 0
