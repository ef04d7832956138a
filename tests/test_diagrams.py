"""The drawings in docs/images are those that docs/diagrams/sequences.py draws, and are well-formed."""

from __future__ import annotations

import runpy
from pathlib import Path
from xml.etree import ElementTree as ET

DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_no_drawing_differs_from_its_source() -> None:
    """Each drawing is what its function draws, no file is left over, and each one is XML with a title."""
    drawings = runpy.run_path(str(DOCS / "diagrams" / "sequences.py"))["DRAWINGS"]
    files = {path.stem: path.read_text(encoding="utf-8") for path in (DOCS / "images").glob("*.svg")}
    assert files == {name: draw().svg() for name, draw in drawings.items()}
    for text in files.values():
        assert ET.fromstring(text).find("{http://www.w3.org/2000/svg}title") is not None


def test_no_drawing_is_left_unused() -> None:
    """Each drawing is shown by a page."""
    pages = "".join(path.read_text(encoding="utf-8") for path in DOCS.glob("*.md"))
    assert [path.name for path in (DOCS / "images").glob("*.svg") if f"(images/{path.name})" not in pages] == []
