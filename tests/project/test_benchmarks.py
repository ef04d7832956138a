"""docs/performance.md, benchmarks/README.md and the plots are made of the committed results: they show what was measured.

How fast anything is, no test asks: `python3 -m benchmarks` does, and its quick mode in CI looks whether that runs.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from support import ROOT

PLOTS = sorted((ROOT / "docs" / "images").glob("performance-*.svg"))


def check(root: Path) -> subprocess.CompletedProcess[str]:
    """Ask the benchmarks of a tree whether its pages and plots agree with its results."""
    command = [sys.executable, "-m", "benchmarks", "--check"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_page_shows_nothing_that_was_not_measured() -> None:
    """The figures of both pages are those of the results, each plot was drawn from them, and no section is missing."""
    done = check(ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for page in ("docs/performance.md", "benchmarks/README.md"):
        assert "Not measured" not in (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("stale", "old", "new"),
    [
        ("docs/performance.md", " durable |", " Durable |"),
        ("docs/performance.md", " cron job (start", " job (start"),
        ("benchmarks/README.md", "| yes ", "| YES "),
        ("benchmarks/results/commit.json", '"found"', '"found" '),
        ("docs/images/performance-commit.svg", ">atomicwrites<", ">atomicwrite<"),
    ],
)
def test_stale_page_is_caught(stale: str, old: str, new: str, tmp_path: Path) -> None:
    """Controls: a figure that somebody changes on a page, in the results, or in a plot, is noticed."""
    for part in ("benchmarks", "docs/images", "docs/diagrams"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "docs" / "performance.md", tmp_path / "docs")
    assert check(tmp_path).returncode == 0
    path = tmp_path / stale
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    done = check(tmp_path)
    assert done.returncode == 1
    assert "run --redraw" in done.stdout


@pytest.mark.parametrize("path", PLOTS, ids=lambda path: path.stem)
def test_plot_is_readable_by_everybody(path: Path) -> None:
    """A plot is XML with a title and a description, and every colour it is drawn with comes from the palette."""
    root = ET.fromstring(path.read_text(encoding="utf-8"))
    svg = "{http://www.w3.org/2000/svg}"
    assert root.find(f"{svg}title") is not None
    assert root.find(f"{svg}desc") is not None
    styles = [element.get("style") or "" for element in root.iter()]
    drawn = {part.strip() for style in styles for part in style.split(";") if re.match(r"\s*(fill|stroke): ", part)}
    assert drawn
    assert [part for part in drawn if not re.fullmatch(r"(fill|stroke): (none|var\(--[a-z-]+\))", part)] == []
