"""Whatever a cell can call says what is true afterwards, which errors there are, and where the fact comes from."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import pytest

import sandboxes as sb
from sandboxes import bare, containers, guests

REFERENCE = (Path(__file__).parents[2] / "book/frontmatter/reference.md").read_text()
FUNCTIONS = {
    **{name: getattr(sb, name) for name in sb.__all__ if isinstance(getattr(sb, name), FunctionType)},
    **{f"bare.{name}": getattr(bare, name) for name in ("container", "leaks", "steps")},
}
CLASSES = (
    *(containers.ContainerSandbox, containers.Job, containers.Terminal, containers.Network, containers.Pool),
    *(containers.EngineImage, containers.Registry, containers.Service),
    *(bare.BareSandbox, bare.ByHand, guests.GuestSandbox, guests.MachineSandbox, guests.Snapshot),
    *(guests.Domain, guests.XenSandbox),
)


def members(of: type) -> Iterator[tuple[str, object]]:
    """What a reader can use of an object: its methods and properties."""
    for name, member in inspect.getmembers(of):
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
            yield name, member


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_tells_its_errors_and_its_source(name: str) -> None:
    said = inspect.getdoc(FUNCTIONS[name]) or ""
    assert "aise" in said, "which errors, or that there are none"
    assert "ource" in said or "(2)" in said or "(7)" in said, "where the facts come from"


@pytest.mark.parametrize("of", CLASSES, ids=lambda of: f"{of.__module__}.{of.__name__}")
def test_every_method_of_what_a_reader_gets_is_documented(of: type) -> None:
    assert [name for name, member in members(of) if not inspect.getdoc(member)] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_in_the_reference(name: str) -> None:
    path = f"sandboxes.{name}" if "." in name else name
    assert f".. autofunction:: {path}\n" in REFERENCE


@pytest.mark.parametrize("of", CLASSES, ids=lambda of: f"{of.__module__}.{of.__name__}")
def test_a_class_is_in_the_reference(of: type) -> None:
    assert f".{of.__name__}()\n" in REFERENCE
