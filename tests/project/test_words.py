"""docs/checks/words.py counts as `wc -w` does, and says which page is too long."""

from __future__ import annotations

import runpy
from typing import Any

from support import ROOT

WORDS: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "checks" / "words.py"))


def test_no_page_is_counted_wrongly() -> None:
    """Everything in the file counts: code, tables, and comments, which no reader sees."""
    assert WORDS["words"]("# A title\n\n```python\nx = 1\n```\n\n<!-- hidden\n\nmany words\n-->\n| a | b |\n") == 18


def test_no_page_is_left_out() -> None:
    """Each page is counted; the total is that of the pages without the README and the reference of the API."""
    pages = {
        path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts
    }
    counted = WORDS["count"]()
    assert set(counted) == pages | {"../README.md"}
    assert WORDS["total"](counted) == sum(counted[page] for page in pages - {"reference/api.md"})


def test_no_page_is_too_long_unnoticed() -> None:
    """Control: a page and a total above their limits are named."""
    assert WORDS["too_long"]({"../README.md": 451, "guarantees.md": 1_500, "index.md": 18_501}) == [
        "../README.md: 451 words, at most 450",
        "all pages: 20001 words, at most 20000",
    ]


def test_no_page_grows_beyond_its_limit() -> None:
    """The README, the pages that are read first, and all pages together are as short as they are meant to be."""
    assert WORDS["too_long"](WORDS["count"]()) == []
