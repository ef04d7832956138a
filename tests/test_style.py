"""What the linters cannot check: every test says what it is for."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).resolve().parent


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
