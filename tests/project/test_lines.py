"""docs/checks/lines.py counts the code of what a cron job loads: no line that is not code, no module left out."""

from __future__ import annotations

import runpy
from typing import Any

from support import ROOT

LINES: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "checks" / "lines.py"))
SOURCE = '''\
"""A module,

with a docstring."""

import os  # with a comment

# a comment


def first(
    path: str,
) -> str:
    """Return it."""
    text = """a string

is code"""
    return text + path
'''


def test_no_comment_or_docstring_counts_as_code() -> None:
    """Comments, docstrings and blank lines do not count; a string over several lines does, and so does a signature."""
    assert LINES["code_lines"](SOURCE) == 8


def test_no_module_of_a_cron_job_is_left_out() -> None:
    """What is counted is what such a program loads: nine modules at most."""
    names = LINES["core"]().keys()
    assert {"atomic_store.store", "atomic_store.locations.local._lock"} <= names
    assert len(names) <= 9
