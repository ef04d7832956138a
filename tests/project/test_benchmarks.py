"""docs/performance.md and its plots are made of the results that are committed; what one reads is what was measured.

How fast anything is, no test asks: `python3 -m benchmarks` does, and its quick mode in CI looks whether that runs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from support import ROOT

PLOTS = sorted((ROOT / "docs" / "images").glob("performance-*.svg"))


def check(root: Path) -> subprocess.CompletedProcess[str]:
    """Ask the benchmarks of a tree whether its page and plots agree with its results."""
    command = [sys.executable, "-m", "benchmarks", "--check"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_page_shows_nothing_that_was_not_measured() -> None:
    """The tables of the page are those of the results, each plot was drawn from them, and no section is missing."""
    done = check(ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "Not measured" not in (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "stale", ["docs/performance.md", "benchmarks/results/commit.json", "docs/images/performance-commit.svg"]
)
def test_stale_page_is_caught(stale: str, tmp_path: Path) -> None:
    """Controls: a figure that somebody changes on the page, in the results, or in a plot, is noticed."""
    for part in ("benchmarks", "docs/images"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "docs" / "performance.md", tmp_path / "docs")
    assert check(tmp_path).returncode == 0
    path = tmp_path / stale
    text = path.read_text(encoding="utf-8")
    old, new = {".md": ("| yes ", "| YES "), ".json": ('"found"', '"found" '), ".svg": (">atomicwrites<", ">atomicwrite<")}[
        path.suffix
    ]
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    done = check(tmp_path)
    assert done.returncode == 1
    assert "run --redraw" in done.stdout


@pytest.mark.parametrize("path", PLOTS, ids=lambda path: path.stem)
def test_plot_is_readable_by_everybody(path: Path) -> None:
    """A plot is XML with a title and a description, and has a dark colour for each colour it is drawn with."""
    root = ET.fromstring(path.read_text(encoding="utf-8"))
    svg = "{http://www.w3.org/2000/svg}"
    assert root.find(f"{svg}title") is not None
    assert root.find(f"{svg}desc") is not None
    style = root.find(f"{svg}style")
    assert style is not None
    rules = style.text or ""
    assert "prefers-color-scheme: dark" in rules
    drawn = {
        part.strip()
        for element in root.iter()
        for part in (element.get("style") or "").split(";")
        if part.strip().startswith(("fill: #", "stroke: #"))
    }
    assert drawn
    assert [part for part in drawn if f'[style*="{part}"]' not in rules] == []
