"""A guest that runs containers: the same limits and walls, held by another kernel, with cgroups of version 2 alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes import containers, kernel
from sandboxes.errors import BadRequest, RunTimeout, SandboxGone, StartFailed, Unavailable
from sandboxes.guests import GuestSandbox, guest
from sandboxes.guests.boxes.sandbox import GuestBox
from sandboxes.model import EMULATED, ImageLayout

pytestmark = pytest.mark.usefixtures("guest_ready")


@pytest.fixture(scope="module")
def vm(guest_ready: None) -> Iterator[GuestSandbox]:
    with guest(name="outer", containers=True, accelerator="tcg") as running:
        yield running


@pytest.fixture(scope="module")
def box(vm: GuestSandbox) -> Iterator[GuestBox]:
    with vm.container(name="inner", memory="32M", pids=24, cpus=0.5, files={"/tmp/note": "by hand"}) as running:
        yield running


def test_it_runs_on_the_guest_s_kernel_and_not_on_this_machine_s(vm: GuestSandbox, box: GuestBox) -> None:
    said = box.run("uname -r; hostname; cat /tmp/note").stdout.split("\n")
    assert said[0] == vm.run("uname -r").stdout.strip() != kernel.host().kernel
    assert said[1:3] == ["inner", "by hand"]


def test_commands_have_the_walls_of_the_profile(box: GuestBox) -> None:
    assert box.run("id -u").stdout == "1000\n"
    assert box.run("touch /etc/x").exit_code != 0
    status = box.run("cat /proc/self/status").stdout
    assert kernel.parse_capabilities(status) == ()
    assert kernel.parse_no_new_privileges(status)
    assert kernel.parse_seccomp(status) == "filter"
    facts = box.facts()
    assert (facts.capabilities, facts.no_new_privileges, facts.seccomp) == ((), True, "filter")


def test_status_streams_input_place_user_and_variables_are_as_in_any_container(box: GuestBox) -> None:
    seen = box.run(
        "cat; echo err >&2; pwd; echo $A; id -u; exit 3", stdin="in ", cwd="/tmp", env={"A": "b"}, user="root"
    )
    assert (seen.exit_code, seen.stdout, seen.stderr, seen.place) == (3, "in /tmp\nb\n0\n", "err\n", "inner")
    assert box.run(["no-such-program"]).exit_code == 127
    assert box.run(["/etc/passwd"]).exit_code == 126


def test_memory_beyond_the_limit_ends_the_command_and_is_counted(vm: GuestSandbox, box: GuestBox) -> None:
    before = box.sample().memory.oom_kills
    assert box.run("head -c 60m /dev/zero | tail -c 60m >/dev/null", timeout_s=120).exit_code == 137
    after = box.sample().memory
    assert (after.limit_bytes, after.oom_kills > before) == (32 << 20, True)
    assert vm.run("echo here").stdout == "here\n"


def test_processes_beyond_the_limit_are_refused(vm: GuestSandbox) -> None:
    with vm.container(pids=16) as crowded:
        seen = crowded.run("for n in $(seq 40); do sleep 1000 & done; wait", timeout_s=120)
        assert "fork" in seen.stderr
        assert crowded.sample().pids.limit == 16


def test_a_cpu_limit_holds_and_throttling_is_counted(box: GuestBox) -> None:
    job = box.start("while :; do :; done")
    before = box.sample()
    deadline = time.monotonic() + 60
    while (after := box.sample()).cpu.throttled_periods <= before.cpu.throttled_periods:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    job.stop()
    assert not job.running()
    assert after.cpu.usage_usec > before.cpu.usage_usec


def test_limits_change_while_it_runs(box: GuestBox) -> None:
    assert box.limit(memory="48M").memory_bytes == 48 << 20
    assert box.run("cat /sys/fs/cgroup/memory.max").stdout == f"{48 << 20}\n"
    assert box.limit(memory="32M", cpu_shares=512).cpu_shares == 512
    with pytest.raises(BadRequest, match="memory"):
        box.limit(memory="100G")


def test_a_job_has_a_number_in_the_container_and_one_in_the_guest(vm: GuestSandbox, box: GuestBox) -> None:
    job = box.start("sleep 1000")
    (seen,) = (one for one in box.processes() if one.command == "sleep 1000")
    assert (seen.pid, seen.pid_inside) == (job.guest_pid, job.pid)
    assert vm.run(["cat", f"/proc/{job.guest_pid}/comm"]).stdout == "sleep\n"
    job.stop()
    assert "sleep 1000" not in [one.command for one in box.processes()]
    with pytest.raises(StartFailed):
        box.start(["no-such-program"])


def test_stopping_a_job_ends_also_what_outlived_it(box: GuestBox) -> None:
    job = box.start("setsid sleep 888 & exit 0")
    job.wait()
    assert "sleep 888" in [one.command for one in box.processes()]
    job.stop()
    assert "sleep 888" not in [one.command for one in box.processes()]


def test_a_late_command_is_ended_with_all_that_it_started(box: GuestBox) -> None:
    with pytest.raises(RunTimeout, match="inner"):
        box.run("setsid sleep 777 & sleep 777", timeout_s=1.5)
    assert "sleep 777" not in [one.command for one in box.processes()]


def test_nothing_runs_while_it_is_paused(box: GuestBox) -> None:
    box.pause()
    with pytest.raises(Unavailable, match="paused"):
        box.run("true")
    box.resume()
    assert box.run("echo on").stdout == "on\n"


def test_two_containers_share_the_guest_s_kernel_and_no_walls(vm: GuestSandbox, box: GuestBox) -> None:
    with vm.container(memory="16M") as other:
        here, there = box.namespaces(), other.namespaces()
        assert here.boot_id == there.boot_id == vm.namespaces().boot_id != kernel.boot_id()
        for kind in ("pid", "mnt", "net", "ipc", "uts", "cgroup"):
            assert len({here.ids[kind], there.ids[kind], vm.namespaces().ids[kind]}) == 3


def test_the_chain_goes_from_this_kernel_to_the_container(vm: GuestSandbox, box: GuestBox) -> None:
    chain = box.facts().chain
    assert [level.kind for level in chain] == ["kernel", "process", "kernel", "container"]
    assert chain[1].pid == vm.host_pid
    assert (chain[0].boot_id, chain[2].boot_id) == (kernel.boot_id(), vm.namespaces().boot_id)
    assert chain[2].detail == box.facts().promise == EMULATED


def test_files_go_in_and_out(box: GuestBox) -> None:
    box.put("/tmp/there", b"\0\1")
    assert box.get("/tmp/there") == b"\0\1"
    with pytest.raises(BadRequest, match="cannot be written"):
        box.put("/etc/there", "x")


def test_a_link_in_a_container_leads_to_nothing_outside_it(vm: GuestSandbox) -> None:
    with vm.container(profile="open") as opened:
        opened.run("ln -s /init /there; ln -s /proc/1/mountinfo /mounts; echo mine >/here; ln -s /here /link")
        with pytest.raises(BadRequest, match="cannot be read"):
            opened.get("/there")
        assert opened.get("/link") == b"mine\n"
        with pytest.raises(BadRequest, match="holds too much"):
            opened.get("/here", most_bytes=4)
    assert vm.run("ls /run/read-*").exit_code != 0


def test_what_its_user_may_not_read_is_not_got(box: GuestBox) -> None:
    assert box.run("mkdir -m 700 /run/own; echo x >/run/own/x", user="root").exit_code == 0
    with pytest.raises(BadRequest, match="Permission denied"):
        box.get("/run/own/x")


def test_a_container_without_room_for_a_command_is_not_called_gone(vm: GuestSandbox) -> None:
    with vm.container(pids=16) as full:
        hogs = full.start("for n in $(seq 40); do sleep 1000 & done; wait")
        deadline = time.monotonic() + 60
        while full.sample().pids.current < 15:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        with pytest.raises(Unavailable, match="no further command"):
            full.run("true")
        hogs.stop()
        assert full.run("echo room").stdout == "room\n"


@pytest.fixture
def saved(engine_ready: None, tmp_path: Path) -> Iterator[ImageLayout]:
    made = containers.image("FROM busybox\nRUN rm /etc/os-release && echo hello >/etc/greeting")
    yield made.save(tmp_path / "image")
    made.close()


def test_an_image_is_the_same_in_an_engine_and_in_a_guest(vm: GuestSandbox, saved: ImageLayout) -> None:
    config, *layers = saved.blobs[1:]
    with vm.container(image=saved) as there:
        assert there.run("cat /etc/greeting; ls /etc").stdout == "hello\ngreeting\ngroup\npasswd\n"
        seen = there.facts()
    assert (seen.image_id, seen.layers) == (config.digest, tuple(layer.digest for layer in layers))
    with vm.container() as usual:
        assert usual.facts().layers == seen.layers[:1], (
            "the lowest layer is the book's own image, and was there already"
        )


def test_a_layer_that_is_not_what_its_name_says_is_refused(vm: GuestSandbox, saved: ImageLayout) -> None:
    top = saved.blobs[-1].digest.removeprefix("sha256:")
    place = Path(saved.folder, "blobs/sha256", top)
    place.write_bytes(place.read_bytes()[:-1] + b"!")
    vm.run(f"rm -rf /layers/{top} /layers/{top}.tar")
    before = vm.run("ls /layers /boxes").stdout
    with pytest.raises(StartFailed, match="what arrived is"):
        vm.container(image=saved)
    assert vm.run("ls /layers /boxes").stdout == before


def test_a_closed_one_leaves_nothing_in_the_guest(vm: GuestSandbox) -> None:
    places = ["sh", "-c", "ls /boxes; find /sys/fs/cgroup/boxes -type d; grep -c overlay /proc/mounts; ls /run"]
    before = vm.run(places).stdout
    with vm.container() as gone:
        gone.start("sleep 1000")
        gone.run("true")
    assert vm.run(places).stdout == before
    with pytest.raises(SandboxGone, match="closed"):
        gone.run("true")


def test_a_name_can_be_used_once_at_a_time(vm: GuestSandbox, box: GuestBox) -> None:
    with pytest.raises(BadRequest, match="taken"):
        vm.container(name="inner")
    assert box.run("echo unharmed").stdout == "unharmed\n"


def test_a_guest_without_a_runtime_says_so() -> None:
    with guest(accelerator="tcg") as plain, pytest.raises(Unavailable, match="containers=True"):
        plain.container()
