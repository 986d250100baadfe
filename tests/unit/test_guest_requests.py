"""A request that can never work is refused by its field's name, and nothing has been started."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from sandboxes.errors import BadRequest
from sandboxes.guests import GuestSandbox, guest

BAD: list[tuple[str, Any]] = [
    *(
        ("memory", value)
        for value in ("-1", "1T", "64M", "", "lots", "128Q", 0, -1, 1.5, None, True, b"128M", "9" * 10_000)
    ),
    *(("cpus", value) for value in (0, -1, 10_000, float("nan"), float("inf"), 0.5, "1", None, True, [1])),
    *(("network", value) for value in (None, 1, "yes", "False")),
    *(("accelerator", value) for value in ("xen", "", "KVM", 1, True, ["kvm"])),
    *(
        ("name", value)
        for value in ("", "-x", "x-", "A", "a b", "a,b", "é", "x" * 40, "a\0", "a\n", 5, True, "quiet panic=1")
    ),
]


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"started {args}")

    monkeypatch.setattr(subprocess, "Popen", refuse)


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(("field", "value"), BAD, ids=lambda value: ascii(value)[:24])
def test_a_bad_argument_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(BadRequest) as raised:
        guest(**{field: value})  # type: ignore[arg-type]
    assert raised.value.field == field
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    "command", ["", "  ", [], [""], ["a\0b"], "a\0b", "x" * 10_000_000, 5, None, b"ls", [b"ls"], ["ls", 5], {"ls": 1}]
)
def test_a_bad_command_is_refused_before_the_guest_hears_of_it(command: Any) -> None:
    deaf = object.__new__(GuestSandbox)  # no emulator at all: touching it would be an AttributeError
    for method in (deaf.run, deaf.start):
        with pytest.raises(BadRequest) as raised:
            method(command)
        assert raised.value.field == "command"


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf"), "5", None, True, 1e9])
def test_a_bad_deadline_is_refused(timeout_s: Any) -> None:
    with pytest.raises(BadRequest) as raised:
        object.__new__(GuestSandbox).run("true", timeout_s=timeout_s)
    assert raised.value.field == "timeout_s"
