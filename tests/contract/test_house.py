"""Imports point one way, as the map in CONTRIBUTING.md says, read from the syntax tree."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LEVELS = {
    "syscall": 0,
    "errors": 0,
    "profile": 0,
    "model": 0,
    "programs": 0,
    "apt": 1,
    "busybox": 1,
    "cpuid": 1,
    "files": 1,
    "output": 1,
    "request": 1,
    "kernel": 2,
    "limits": 2,
    "setting": 2,
    "unread": 2,
    "lifecycle": 2,
    "changes": 3,
    "containers": 4,
    "guests": 3,
    "bare": 5,
    "sandbox": 5,
    "density": 6,
    "measure": 6,
    "probes": 6,
    "claims": 7,
    "checks": 7,
    "doctor": 7,
}
VIEW_MAY_IMPORT = {"model", "errors", "request", "view"}
MODULES = sorted(path for top in ("sandboxes", "book") for path in (ROOT / top).rglob("*.py"))
PAGES = sorted([*(ROOT / "chapters").rglob("*.md"), *(ROOT / "labs").rglob("lab.md")])


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(tree: ast.AST) -> list[str]:
    """Absolute names of what is imported; `from a import b` counts as a.b, which may be a module."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def _part(name: str) -> str | None:
    words = name.split(".")
    return words[1] if words[0] == "sandboxes" and len(words) > 1 else None


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_imports_point_one_way(path: Path) -> None:
    name = _name(path)
    own = _part(name)
    for imported in _imports(ast.parse(path.read_text())):
        part = _part(imported)
        if name.startswith("sandboxes"):
            assert imported.split(".")[0] != "book", f"{name} imports {imported}"
        if own is None or part is None or part == own:
            continue
        if own == "view":
            assert part in VIEW_MAY_IMPORT, f"{name} imports {imported}"
        else:
            assert part in LEVELS, f"{name} imports {imported}"
            assert LEVELS[part] < LEVELS[own], f"{name} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_nothing_is_imported_inside_a_function(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = [child for child in ast.walk(node) if isinstance(child, ast.Import | ast.ImportFrom)]
            assert not inner, f"line {inner[0].lineno if inner else 0}"


def test_no_module_imports_itself_in_a_circle() -> None:
    known = {_name(path): path for path in MODULES}
    edges = {}
    for name, path in known.items():
        wanted = set()
        for imported in _imports(ast.parse(path.read_text())):
            target = imported if imported in known else imported.rpartition(".")[0]
            if target in known and target != name:
                wanted.add(target)
        edges[name] = wanted
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for target in sorted(edges[name]):
                if not name.startswith(f"{target}."):
                    visit(target, (*trail, name))
            done.add(name)

    for name in sorted(known):
        visit(name, ())


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_pages_import_the_reader_s_package_only(path: Path) -> None:
    lines = [line.split() for line in path.read_text().splitlines() if line.startswith(("import ", "from "))]
    assert {words[1].split(".")[0] for words in lines} <= {"sandboxes", "checks"}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_cells_are_short(path: Path) -> None:
    for cell in path.read_text().split("```{code-cell} ipython3\n")[1:]:
        lines = [line for line in cell.split("```")[0].splitlines() if line and not line.startswith(":")]
        assert len(lines) <= 12, "\n".join(lines)


def test_the_readers_names_are_sorted_and_there() -> None:
    import sandboxes  # noqa: PLC0415 - the import is what is tested

    assert sandboxes.__all__ == sorted(sandboxes.__all__)
    assert all(hasattr(sandboxes, name) for name in sandboxes.__all__)
    assert "sandboxes" in sys.modules
