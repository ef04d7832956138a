"""The drawings in docs/images are those that the programs in docs/diagrams draw, and are well-formed.

The plots beside them, performance-*.svg, are drawn from measurements: tests/project/test_benchmarks.py.
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from support import ROOT

DOCS = ROOT / "docs"
DRAWN = [path for path in (DOCS / "images").glob("*.svg") if not path.name.startswith("performance-")]


def test_no_drawing_differs_from_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each drawing is what its function draws, no file is left over, and each one is XML with a title."""
    monkeypatch.syspath_prepend(DOCS / "diagrams")  # as for a program that is started there
    drawings: dict[str, Any] = {}
    for program in ("sequences.py", "plans.py"):
        drawings |= runpy.run_path(str(DOCS / "diagrams" / program))["DRAWINGS"]
    files = {path.stem: path.read_text(encoding="utf-8") for path in DRAWN}
    assert files == {name: draw().svg() for name, draw in drawings.items()}
    for text in files.values():
        assert ET.fromstring(text).find("{http://www.w3.org/2000/svg}title") is not None


@pytest.mark.parametrize("path", sorted((DOCS / "images").glob("*.svg")), ids=lambda path: path.stem)
def test_no_drawing_is_too_small_to_read_on_a_phone(path: Path) -> None:
    """On a page of 390 px, which leaves 342 px for a drawing, each text has at least 12 px."""
    text = path.read_text(encoding="utf-8")
    (width,) = re.findall(r'viewBox="0 0 ([\d.]+) ', text)
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", text)]
    assert sizes
    assert min(sizes) * 342 / float(width) >= 12


def test_no_drawing_is_left_unused() -> None:
    """Each drawing is shown by a page."""
    pages = "".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md"))
    assert [path.name for path in (DOCS / "images").glob("*.svg") if f"images/{path.name})" not in pages] == []
