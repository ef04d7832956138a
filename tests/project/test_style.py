"""What the linters cannot check: every test says what it is for."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from support import ROOT

TESTS = ROOT / "tests"


def test_no_test_is_without_its_property() -> None:
    """Every test function has a docstring, whose first line is a whole sentence that states the property."""
    silent = [
        f"{path.relative_to(TESTS)}:{node.lineno} {node.name}"
        for path in sorted(TESTS.rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        if not (ast.get_docstring(node) or "").partition("\n")[0].endswith((".", "?", "!"))
    ]
    assert silent == []


def test_no_two_test_files_share_a_name() -> None:
    """A test file is found by its name alone, whatever folder it moves to: the catalogue of mutants relies on it."""
    names = [path.name for path in TESTS.rglob("*.py")]
    assert sorted(names) == sorted(set(names))


def test_no_test_file_needs_what_only_developers_have() -> None:
    """What a test file imports at its top comes with [test]: else the README's command ends before its first test."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    def packages(groups: dict[str, list[Any]], *names: str) -> set[str]:
        return {Requirement(each).name.lower() for name in names for each in groups[name] if isinstance(each, str)}

    groups = project["dependency-groups"]
    extras = {"": project["project"]["dependencies"], **project["project"]["optional-dependencies"]}
    apart = packages(groups, *groups) - packages(extras, *extras)
    modules = {
        module
        for module, origins in importlib.metadata.packages_distributions().items()
        if not apart.isdisjoint(each.lower() for each in origins)
    }
    found = [
        f"{path.relative_to(TESTS)}:{node.lineno}"
        for path in sorted(TESTS.rglob("*.py"))
        if path.parent.name != "typing"
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
        if name.partition(".")[0] in modules
    ]
    assert found == []


def test_no_test_id_holds_an_address(request: pytest.FixtureRequest) -> None:
    """Test ids are the same in every process: pytest-xdist refuses workers whose ids differ."""
    assert [item.nodeid for item in request.session.items if re.search(r" at 0x[0-9a-f]{6}", item.nodeid)] == []


OTHERS = {"_exit", "_getframe", "_proper_fsync", "_replace", "_actions", "_session", "_request_signer", "_credentials"}
"""Names of the standard library, botocore and atomicwrites that begin with an underscore."""


def private_names(source: str) -> list[str]:
    """Return each use of a private name of another module or object, with its line."""
    found = []

    def look(node: ast.AST, name: str) -> None:
        parts = [part for part in name.split(".") if part.startswith("_") and not part.startswith("__")]
        if parts and not OTHERS.issuperset(parts):
            found.append(f"{getattr(node, 'lineno', 0)} {name}")

    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=module, names=names) if (module or "").startswith("atomic_store"):
                for alias in names:
                    look(node, f"{module}.{alias.name}")
            case ast.Import(names=names):
                for alias in names:
                    look(node, alias.name if alias.name.startswith("atomic_store") else "")
            case ast.Attribute(value=ast.Name(id="self" | "cls")) | ast.Attribute(value=ast.Call(func=ast.Name(id="super"))):
                pass
            case ast.Attribute(attr=name):
                look(node, name)
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=arguments) if called.endswith("attr"):
                for argument in arguments[:2]:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        look(node, argument.value)
    return found


def test_no_test_touches_a_private_name() -> None:
    """What tests reach for inside the library is named in seams.py alone: a part that moves costs one edit."""
    found = [
        f"{path.relative_to(TESTS)}:{use}"
        for path in sorted(TESTS.rglob("*.py"))
        if path.name != "seams.py"
        for use in private_names(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "from atomic_store.locations import _local",
        "from atomic_store._quarantine import path",
        "import atomic_store.cli._parser as parser",
        "store._held",
        "patch.setattr(store, '_held', 1)",
        "patch.setattr('atomic_store.locations._local.os', 1)",
        "getattr(store, '_held')",
    ],
)
def test_private_name_is_found(source: str) -> None:
    """Control: each way to touch a private name is reported."""
    assert len(private_names(source)) == 1


def test_name_of_its_own_is_not_reported() -> None:
    """Control: a stand-in's own attributes, dunder names and the standard library's are nobody's private names."""
    assert (
        private_names("self._x\nsuper()._x\nmodule.__file__\nos._exit(0)\nfrom email import _x\nsetattr(a, 'b', '_c')") == []
    )
