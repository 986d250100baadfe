"""Which engine is used is decided by its answer; what is missing is said in plain words."""

from __future__ import annotations

import dataclasses
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandboxes.containers import abilities, dockerd, find_engine, find_tiers, finding, launch, private, reader
from sandboxes.containers.abilities import KernelOffer, kernel_offer, parse_facts
from sandboxes.containers.client import Engine
from sandboxes.containers.endpoints import Endpoint, endpoints
from sandboxes.errors import BadRequest, EngineUnavailable, LimitIgnored
from sandboxes.model import Limits


def answers_of(name: str) -> dict[str, dict[str, Any]]:
    """What a real engine said."""
    path = Path(__file__).parent / f"data/engines/{name}.json"
    return json.loads(path.read_text())  # type: ignore[no-any-return]


RECORDED = answers_of("docker-20.10-root-v1")


OFFER = KernelOffer("hybrid", frozenset({"blkio", "cpu", "freezer", "memory", "pids"}), pressure=True)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine of the reader's, and none of ours yet."""
    monkeypatch.setattr(reader, "endpoints", lambda: iter(()))
    monkeypatch.setattr(finding, "_current", None)


def test_a_recorded_engine_is_described() -> None:
    seen = parse_facts(RECORDED["version"], RECORDED["info"], "private", OFFER)
    assert (seen.name, seen.version, seen.runtime, seen.rootless) == ("Docker", "20.10.24", "runc", False)
    assert (seen.cgroup_version, seen.cgroup_driver) == ("v1", "cgroupfs")
    assert seen.enforces == {"cpu", "memory", "pids", "io"}


@pytest.mark.parametrize(
    ("name", "described", "enforced", "flags"),
    [
        ("docker-20.10-root-v1", ("Docker", False), "cpu io memory pids", "networks pause psi swarm"),
        ("docker-20.10-rootless-v1", ("Docker", True), "", "networks user_namespaces"),
        ("podman-4.3-root-v1", ("Podman", False), "cpu io memory pids", "pause psi"),
        ("podman-4.3-rootless-v1", ("Podman", True), "", "user_namespaces"),
    ],
)
def test_recorded_engines_have_the_flags_that_they_earned(
    name: str, described: tuple[str, bool], enforced: str, flags: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abilities, "NAME_SERVERS", ())
    said = answers_of(name)
    seen = parse_facts(said["version"], said["info"], "reader", OFFER)
    assert (seen.name, seen.rootless) == described
    assert sorted(seen.enforces) == enforced.split()
    names = ("networks", "pause", "psi", "swarm", "user_namespaces")
    assert [flag for flag in names if getattr(seen, flag)] == flags.split()


def test_podman_s_networks_count_where_it_has_a_name_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(abilities, "NAME_SERVERS", (tmp_path,))
    said = answers_of("podman-4.3-root-v1")
    assert parse_facts(said["version"], said["info"], "reader", OFFER).networks


def test_a_rootless_engine_on_version_1_enforces_nothing_whatever_it_says() -> None:
    info = RECORDED["info"] | {"SecurityOptions": ["name=seccomp,profile=default", "name=rootless"]}
    assert parse_facts(RECORDED["version"], info, "reader", OFFER).enforces == frozenset()
    assert not parse_facts(RECORDED["version"], info, "reader", OFFER).pause


def test_an_engine_without_a_cgroup_driver_enforces_nothing() -> None:
    info = RECORDED["info"] | {"CgroupDriver": "none", "CgroupVersion": "2"}
    assert parse_facts(RECORDED["version"], info, "reader", OFFER).enforces == frozenset()


def test_a_rootless_engine_on_version_2_enforces_what_was_delegated() -> None:
    info = RECORDED["info"] | {"SecurityOptions": ["name=rootless"], "CgroupVersion": "2", "CpuCfsQuota": False}
    seen = parse_facts(RECORDED["version"], info, "reader", OFFER)
    assert seen.rootless and seen.enforces == {"memory", "pids", "io"}


def test_what_the_engine_warns_of_it_does_not_limit() -> None:
    info = RECORDED["info"] | {"Warnings": ["WARNING: No io.max (rbps) support"], "CgroupVersion": "2"}
    assert not parse_facts(RECORDED["version"], info, "reader", OFFER).io_limit


def test_network_drivers_tell_networks_and_swarm() -> None:
    seen = parse_facts(RECORDED["version"], RECORDED["info"], "private", OFFER)
    assert seen.networks and seen.swarm and not seen.user_namespaces
    bare = parse_facts(RECORDED["version"], RECORDED["info"] | {"Plugins": {"Network": ["host"]}}, "private", OFFER)
    assert not bare.networks and not bare.swarm


def test_an_engine_that_remaps_users_gives_containers_a_user_namespace() -> None:
    info = RECORDED["info"] | {"SecurityOptions": ["name=seccomp,profile=default", "name=userns"]}
    seen = parse_facts(RECORDED["version"], info, "reader", OFFER)
    assert seen.user_namespaces and not seen.rootless


def test_podman_is_called_podman() -> None:
    version = {"Version": "4.3.1", "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}]}
    assert parse_facts(version, RECORDED["info"], "reader", OFFER).name == "Podman"


class Powerless(Engine):
    _process = None

    def __init__(self) -> None:
        self._facts = parse_facts(RECORDED["version"], RECORDED["info"] | {"CgroupDriver": "none"}, "reader", OFFER)

    def facts(self) -> Any:
        return self._facts


def test_a_limit_that_would_be_ignored_is_an_error() -> None:
    with pytest.raises(LimitIgnored, match="memory=None") as caught:
        Powerless().enforce(Limits(64 << 20, None, 64))
    assert "memory, pids" in caught.value.what


def test_no_limit_can_be_ignored() -> None:
    Powerless().enforce(Limits(None, None, None))


def test_a_program_that_never_ends_makes_its_tier_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = tmp_path / "dockerd"
    endless.write_text("#!/bin/sh\nexec sleep 1000\n")
    endless.chmod(0o755)
    monkeypatch.setattr(dockerd, "VERSION_S", 0.2)
    with pytest.raises(EngineUnavailable, match="does not answer") as caught:
        dockerd.version(str(endless))
    assert str(endless) in caught.value.seen


def test_docker_host_comes_first_and_each_address_once(tmp_path: Path) -> None:
    found = list(endpoints({"DOCKER_HOST": f"unix://{tmp_path}/d.sock", "XDG_RUNTIME_DIR": str(tmp_path)}))
    assert found[0] == Endpoint(f"unix://{tmp_path}/d.sock", "DOCKER_HOST")
    assert len({endpoint.url for endpoint in found}) == len(found)


def test_a_socket_that_does_not_exist_is_not_asked(tmp_path: Path) -> None:
    assert not [endpoint for endpoint in endpoints({"XDG_RUNTIME_DIR": str(tmp_path)}) if str(tmp_path) in endpoint.url]
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman/podman.sock").touch()
    assert [endpoint for endpoint in endpoints({"XDG_RUNTIME_DIR": str(tmp_path)}) if "podman" in endpoint.source]


@pytest.fixture
def deaf(tmp_path: Path) -> Iterator[Path]:
    """A socket that takes connections and never answers."""
    path = tmp_path / "deaf.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    yield path
    listener.close()


def test_an_engine_that_does_not_answer_is_passed_over_and_named(deaf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "endpoints", lambda: iter([Endpoint(f"unix://{deaf}", "DOCKER_HOST")]))
    begun = time.monotonic()
    with pytest.raises(EngineUnavailable, match=str(deaf)):
        reader.look()
    assert time.monotonic() - begun < 4


QEMU = "qemu-system-x86_64"


def _without(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    which = launch.shutil.which
    monkeypatch.setattr(launch.shutil, "which", lambda name, **rest: None if name in missing else which(name, **rest))


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("look", [find_engine, finding.engine])
def test_without_any_engine_the_error_names_each_tier_and_the_remedy_at_once(
    look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without(monkeypatch, "dockerd", "podman", QEMU)
    begun = time.monotonic()
    with pytest.raises(EngineUnavailable, match=r"private: not installed: dockerd; .*podman: not installed") as caught:
        look()
    assert time.monotonic() - begun < 2
    assert "apt-get install docker.io" in caught.value.remedy


@pytest.mark.usefixtures("alone")
def test_without_any_engine_the_error_says_whether_namespaces_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch, "dockerd", "podman", QEMU)
    with pytest.raises(EngineUnavailable) as caught:
        find_engine()
    bare = find_tiers()[-1]
    assert (bare.name, bare.state) in {("bare", "chosen"), ("bare", "not here")}
    assert ("sb.bare" in caught.value.remedy) == (bare.state == "chosen")
    _without(monkeypatch, "dockerd", "podman", QEMU, "unshare")
    assert find_tiers()[-1].why == "not installed: unshare"


@pytest.mark.usefixtures("alone")
def test_a_user_who_is_not_root_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.shutil, "which", lambda name, **rest: f"/usr/bin/{name}")
    monkeypatch.setattr(private.os, "geteuid", lambda: 1000)
    with pytest.raises(EngineUnavailable, match="root") as caught:
        private.look()
    assert "Podman" in caught.value.remedy


def test_the_error_also_says_which_engines_were_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(finding, "_current", None)
    monkeypatch.setattr(reader, "endpoints", lambda: iter([Endpoint(f"unix://{tmp_path}/none.sock", "DOCKER_HOST")]))
    _without(monkeypatch, "dockerd", "podman", QEMU)
    with pytest.raises(EngineUnavailable, match=f"DOCKER_HOST.*{tmp_path}/none.sock.*No such file"):
        find_engine()


@pytest.mark.parametrize("name", ["docker", "Private", "bare"])
def test_a_tier_that_does_not_exist_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(finding.CHOICE, name)
    with pytest.raises(BadRequest, match="BOUNDARIES_ENGINE") as caught:
        finding.engine()
    assert "guest, podman, private, reader, rootless" in caught.value.remedy


@pytest.mark.usefixtures("alone")
def test_a_tier_that_was_asked_for_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(finding.CHOICE, "reader")
    with pytest.raises(EngineUnavailable) as caught:
        find_engine()
    assert caught.value.seen.startswith("reader: ") and "private" not in caught.value.seen
    assert {tier.name: tier.state for tier in find_tiers()}["private"] != "chosen"


@pytest.mark.parametrize(
    ("name", "version", "old"),
    [
        ("Docker", "19.03.15", True),
        ("Docker", "20.10.0", False),
        ("Docker", "28.1", False),
        ("Podman", "3.4.4", True),
        ("Podman", "4.0.0-rc1", False),
    ],
)
def test_an_engine_before_20_10_and_a_podman_before_4_are_too_old(name: str, version: str, old: bool) -> None:
    seen = parse_facts(RECORDED["version"], RECORDED["info"], "reader", OFFER)
    assert reader.too_old(dataclasses.replace(seen, name=name, version=version)) is old


def test_controllers_are_those_that_the_kernel_has_switched_on(tmp_path: Path) -> None:
    (tmp_path / "cgroups").write_text(
        "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t3\t1\t1\nmemory\t0\t1\t1\npids\t4\t1\t0\n"
    )
    assert kernel_offer(tmp_path, tmp_path / "none").controllers == {"cpu"}
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    seen = kernel_offer(tmp_path, tmp_path)
    assert seen.controllers == {"cpuset", "cpu", "blkio", "memory", "pids", "freezer"} and not seen.pressure
    (tmp_path / "cpu.pressure").write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
    assert kernel_offer(tmp_path, tmp_path).pressure
