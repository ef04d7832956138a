"""What the linters cannot check: every test says what it is for."""

from __future__ import annotations

import ast
import re

import pytest
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


def test_no_test_id_holds_an_address(request: pytest.FixtureRequest) -> None:
    """Test ids are the same in every process: pytest-xdist refuses workers whose ids differ."""
    assert [item.nodeid for item in request.session.items if re.search(r" at 0x[0-9a-f]{6}", item.nodeid)] == []
