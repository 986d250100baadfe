"""Lab 1: an untouched state is rejected with hints, the solution accepted; each wrong state hears its own words."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import sandboxes as sb
from sandboxes.containers import ContainerSandbox
from sandboxes.model import Check

LAB = Path(__file__).resolve().parents[2] / "labs" / "1-memory-limit"
HUNGRY = "dd if=/dev/zero of=/dev/null bs=100M count=1"


@pytest.fixture(scope="module")
def checks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lab1_checks", LAB / "checks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tight(engine_ready: None) -> Iterator[ContainerSandbox]:
    with sb.container(memory="64M") as box:
        yield box


@pytest.fixture
def roomy(engine_ready: None) -> Iterator[ContainerSandbox]:
    with sb.container(memory="128M") as box:
        yield box


def verdicts(found: list[Check]) -> list[bool]:
    return [check.passed for check in found]


def test_the_untouched_state_is_rejected_with_hints(checks: ModuleType) -> None:
    found = sb.check(checks, None, None)
    assert verdicts(found) == [False] * 4
    assert all(check.hint and check.expected and "None" in check.observed for check in found)


def test_the_solution_is_accepted(checks: ModuleType, engine_ready: None) -> None:
    text = (LAB / "solution.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert code is not None
    names = {"sb": sb, "hungry": HUNGRY}
    exec(code[1], names)  # noqa: S102 - the published solution is what is tested
    try:
        found = sb.check(checks, names["tight"], names["roomy"])
        assert verdicts(found) == [True] * 4, found
        assert not any(check.hint for check in found)
    finally:
        names["tight"].close()
        names["roomy"].close()


def test_the_default_limit_is_not_what_was_asked(checks: ModuleType, roomy: ContainerSandbox) -> None:
    first = sb.check(checks, roomy, None)[0]
    assert not first.passed
    assert "128 MiB" in first.observed
    assert "limit" in first.hint


def test_a_kill_by_hand_is_told_from_a_kill_for_memory(checks: ModuleType, tight: ContainerSandbox) -> None:
    assert tight.run("sh -c 'kill -9 $$'").exit_code == 137
    _, second, third, _ = sb.check(checks, tight, None)
    assert not second.passed
    assert not third.passed
    assert second.observed.endswith(": 0")
    assert "SIGKILL" in second.why


def test_a_container_that_was_closed_cannot_have_survived(checks: ModuleType, engine_ready: None) -> None:
    with sb.container(memory="64M") as box:
        box.run(HUNGRY)
    third = sb.check(checks, box, None)[2]
    assert not third.passed
    assert "not running" in third.observed


def test_one_container_cannot_be_both(checks: ModuleType, tight: ContainerSandbox) -> None:
    tight.run(HUNGRY)
    fourth = sb.check(checks, tight, tight)[3]
    assert not fourth.passed
    assert "second one" in fourth.hint


def test_a_generous_limit_is_no_answer(checks: ModuleType, tight: ContainerSandbox) -> None:
    with sb.container(memory="512M") as vast:
        assert vast.run(HUNGRY).exit_code == 0
        fourth = sb.check(checks, tight, vast)[3]
    assert not fourth.passed
    assert "too generous" in fourth.hint


def test_a_limit_that_killed_is_no_answer_either(checks: ModuleType, tight: ContainerSandbox) -> None:
    with sb.container(memory="80M") as small:
        assert small.run(HUNGRY).exit_code == 137
        fourth = sb.check(checks, tight, small)[3]
    assert not fourth.passed
    assert "too small" in fourth.hint


def test_nothing_used_is_nothing_shown(checks: ModuleType, tight: ContainerSandbox, roomy: ContainerSandbox) -> None:
    fourth = sb.check(checks, tight, roomy)[3]
    assert not fourth.passed
    assert "hungry command" in fourth.hint


@pytest.mark.parametrize("nonsense", ["box", 7, sb.host()], ids=["text", "number", "host"])
def test_what_is_not_a_container_is_said_so(checks: ModuleType, nonsense: object) -> None:
    found = sb.check(checks, nonsense, nonsense)
    assert verdicts(found) == [False] * 4
    assert all("not a container" in check.observed for check in found)
