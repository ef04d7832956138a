"""Count the words of the documentation: `python docs/checks/words.py` prints each page, the total and what is too long.

A word is what `wc -w` counts in the file, with code, tables and comments. The total leaves out the API reference, and
what a page includes from the root of the repository.
"""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent
TOTAL = 20_000
# The pages that are read first, or that grow most easily.
LIMITS = {"../README.md": 450, "guarantees.md": 1_500, "performance.md": 900}
APART = {"reference/api.md"}


def words(text: str) -> int:
    """Return the number of words, as `wc -w` counts them."""
    return len(text.split())


def count(docs: Path = DOCS) -> dict[str, int]:
    """Return the words of each page below `docs`, and of the README beside it."""
    pages = [
        "../README.md",
        *sorted(path.relative_to(docs).as_posix() for path in docs.rglob("*.md") if "_build" not in path.parts),
    ]
    return {page: words((docs / page).read_text(encoding="utf-8")) for page in pages}


def total(counted: dict[str, int]) -> int:
    """Return the words of all pages of the site but those of the reference of the API."""
    return sum(number for page, number in counted.items() if page not in APART | {"../README.md"})


def too_long(counted: dict[str, int]) -> list[str]:
    """Return a line for each limit that is exceeded."""
    found = [
        f"{page}: {counted[page]} words, at most {most}" for page, most in LIMITS.items() if counted.get(page, 0) > most
    ]
    return found + ([f"all pages: {total(counted)} words, at most {TOTAL}"] if total(counted) > TOTAL else [])


if __name__ == "__main__":
    pages = count()
    for name, number in pages.items():
        print(f"{number:7,}  {name}{' (not in the total)' if name in APART | {'../README.md'} else ''}")
    print(f"{total(pages):7,}  in all")
    sys.exit("\n".join(too_long(pages)))
