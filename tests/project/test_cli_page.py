"""docs/reference/command-line.md is what docs/reference/command_line.py writes, and has all that the parser knows."""

from __future__ import annotations

import runpy
from typing import Any

from support import ROOT

from atomic_store.cli import _parser

REFERENCE = ROOT / "docs" / "reference"


def test_page_and_parser_agree() -> None:
    """The page is word for word what is written from the parser."""
    written: str = runpy.run_path(str(REFERENCE / "command_line.py"))["page"]()
    assert (REFERENCE / "command-line.md").read_text(encoding="utf-8") == written


def test_page_leaves_nothing_out() -> None:
    """Each command, each of its options, each exit code and each variable is on the page: the writer skips none."""
    page = (REFERENCE / "command-line.md").read_text(encoding="utf-8")
    commands: Any = next(
        action.choices for action in _parser.make_parser()._actions if action.dest == "==SUPPRESS==" and action.choices
    )
    assert set(commands) == set(_parser.EXAMPLES) == {"show", "edit", "convert", "check", "clean"}
    head = page.partition("\n## ")[0]
    shared = head.partition("Options that several commands have:")[2]
    for name, parser in commands.items():
        section = page.partition(f"\n## `{name}`: ")[2].partition("\n## ")[0]
        (usage,) = (line for line in head.splitlines() if line.startswith(f"atomic-store {name} "))
        for word in (word for action in parser._actions for word in action.option_strings[-1:]):
            assert word == "--help" or (word in usage and (word in section or word in shared))
    for code in _parser.EXIT_CODES:
        assert f"\n| {code} | " in page
    for variable in _parser.ENVIRONMENT:
        assert f"\n- `{variable}`: " in page
