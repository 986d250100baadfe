"""What a reader may ask of a container is checked before an engine is even looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandboxes import containers
from sandboxes.containers import sandbox as module
from sandboxes.containers.limits import limits, resources
from sandboxes.containers.wanted import wanted
from sandboxes.errors import BadRequest
from sandboxes.kernel import host
from sandboxes.limits import changed_limits
from sandboxes.model import Limits
from sandboxes.profile import HARDENED, OPEN
from sandboxes.setting import setting

BAD: list[tuple[str, Any]] = [
    *(("memory", bad) for bad in ("-1", "1T", "", "lots", "5M", 0, -1, 1.5, True, float("nan"), b"64M", [64])),
    *(("cpus", bad) for bad in (float("nan"), float("inf"), 0, -1, 0.001, 10_000, "1", True, None.__class__)),
    *(("pids", bad) for bad in (0, -1, 1, 10**9, 2.5, "64", True)),
    *(("io", bad) for bad in ("1K", "fast", 0, -1, True, {}, {"both": "5M"}, {"read": "x"}, {"write": None}, ["5M"])),
    *(("cpu_shares", bad) for bad in (0, 1, 262145, 2.5, "1024", True)),
    *(("network", bad) for bad in ("yes", 1, None, [], [True], ["front"], {})),
    *(("env", bad) for bad in (["A=1"], {"A B": "1"}, {"": ""}, {"1A": ""}, {"A": 1}, {"A": "x\0"}, {1: "x"})),
    *(("env", bad) for bad in ("A=1", {"A": None}, {"A": "x" * 70_000})),
    *(("files", bad) for bad in (["/tmp/x"], {"tmp/x": ""}, {"/": ""}, {"/tmp/../x": ""}, {"/tmp/x": 1}, {1: ""})),
    *(("files", bad) for bad in ({"/etc/motd": "x"}, {"/tmpx/x": "x"}, {"/tmp/x": None}, {"/tmp/x": Path("/none")})),
    *(("ports", bad) for bad in ({80: None}, [80], 80)),
    *(("profile", bad) for bad in ("weak", "", None, 3)),
    *(("image", bad) for bad in (3, "", "a b", "x" * 300, "-rm", b"alpine", "a\0b")),
    *(("name", bad) for bad in ("", "a b", "../x", "x" * 41, 7, "é", "a\n")),
]


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_for() -> None:
        raise AssertionError("an engine was looked for")

    monkeypatch.setattr(module, "engine", looked_for)


@pytest.mark.usefixtures("no_engine")
@pytest.mark.parametrize(("field", "value"), BAD, ids=lambda value: repr(value)[:20])
def test_a_bad_argument_is_named_before_anything_starts(field: str, value: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        containers.container(**{field: value})
    assert caught.value.field == field
    assert caught.value.remedy
    assert len(str(caught.value)) < 600


def test_the_defaults_are_hardened_and_limited() -> None:
    asked = wanted()
    assert asked.limits == Limits(128 << 20, 0.5, 64) and asked.asked == frozenset()
    config = asked.host_config()
    assert config["CapDrop"] == ["ALL"] and config["ReadonlyRootfs"] is True
    assert config["SecurityOpt"] == ["no-new-privileges:true"]
    assert (config["Memory"], config["CpuQuota"], config["CpuPeriod"], config["PidsLimit"]) == (
        128 << 20,
        50000,
        100000,
        64,
    )
    assert "Privileged" not in config and "Binds" not in config and "Devices" not in config


def test_no_profile_gives_more_than_docker_does() -> None:
    for profile in (HARDENED, OPEN):
        assert not profile.host_config.keys() & {"Privileged", "CapAdd", "Binds", "Mounts", "Devices", "PidMode"}
        assert not any("unconfined" in option for option in profile.host_config.get("SecurityOpt", ()))


def test_none_asks_for_no_limit() -> None:
    assert resources(limits(None, None, None)) == {}


def test_the_bounds_are_those_of_this_machine() -> None:
    machine = host()
    assert limits("6M", 0.01, 16) == Limits(6 << 20, 0.01, 16)
    assert limits(machine.memory_bytes, machine.cpus, 32768).memory_bytes == machine.memory_bytes
    with pytest.raises(BadRequest):
        limits(machine.memory_bytes + 1, None, None)
    with pytest.raises(BadRequest):
        limits(None, machine.cpus + 0.5, None)


def test_a_change_keeps_the_other_limits() -> None:
    assert changed_limits(Limits(1, 0.5, 64), Limits(None, 0.25, None)) == Limits(1, 0.25, 64)


def test_names_are_different_when_none_is_given() -> None:
    names = {wanted(profile="open").name for _ in range(20)}
    assert len(names) == 20


def test_a_default_is_dropped_where_it_would_be_ignored_and_a_written_limit_is_not() -> None:
    assert wanted().on(()).limits == Limits(None, None, None)
    assert wanted(memory="64M").on(()).limits == Limits(64 << 20, None, None)
    assert wanted(pids=None, cpus=0.5).on({"memory"}).limits == Limits(128 << 20, 0.5, None)
    assert wanted(io={"write": "5M"}).on(()).limits == Limits(None, None, None, None, 5 << 20)


@pytest.mark.parametrize("bad", [{0: None}, {80: 80}, {70000: None}, {"80": None}, {80: "x"}, {80: True}])
def test_a_bad_port_is_named(bad: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        wanted(network=True, ports=bad)
    assert caught.value.field == "ports"


def test_files_may_go_anywhere_in_an_open_container_and_to_the_disk_that_a_limit_brings() -> None:
    assert wanted(profile="open", files={"/etc/motd": "x"}).files
    assert wanted(io="5M", files={"/scratch/x": "x"}).files


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", 0),
        ("size", 17),
        ("size", True),
        ("name", "box"),
        ("ports", {80: None}),
        ("memory", "1K"),
        ("colour", "red"),
    ],
)
def test_a_pool_checks_what_its_containers_will_be(field: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_for() -> None:
        raise AssertionError("an engine was looked for")

    monkeypatch.setattr("sandboxes.containers.pools.engine", looked_for)
    with pytest.raises(BadRequest) as caught:
        containers.pool(**{field: value})
    assert caught.value.field in (field, "pool")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("stdin", bad) for bad in (3, ["x"], bytearray(b"x"))),
        *(("cwd", bad) for bad in ("tmp", "", 3, "/a\0")),
        *(("user", bad) for bad in ("", "a b", 0, "x" * 40, "-u")),
        *(("env", bad) for bad in ({"A": 1}, "A=1")),
        *(("output", bad) for bad in ("print", 3)),
    ],
)
def test_a_bad_setting_of_a_command_is_named(field: str, value: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        setting(**{"stdin": None, "cwd": None, "user": None, "env": None, "output": None, field: value})
    assert caught.value.field == field
