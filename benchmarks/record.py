"""benchmarks/results: what was measured, one file a section, and digests of it."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from .environments import ROOT

if TYPE_CHECKING:
    from pathlib import Path

RESULTS = ROOT / "benchmarks" / "results"
SECTIONS = ["commit", "reading", "writing", "scaling", "pythons", "large", "startup", "contention", "formats", "s3"]

Results = dict[str, Any]
"""The data of each section that was run."""


def write(directory: Path, section: str, about: dict[str, Any], data: Any) -> None:
    """Write what a section has found, with the machine, one list of figures a line."""
    directory.mkdir(exist_ok=True)
    text = json.dumps({"machine": about, "data": _rounded(data)}, indent=1, ensure_ascii=False)
    flat = re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda found: "[" + re.sub(r",\s+", ", ", found[1]) + "]", text)
    (directory / f"{section}.json").write_text(flat + "\n", encoding="utf-8")


def _rounded(data: Any) -> Any:
    """Round to five digits: the others are noise."""
    if isinstance(data, float):
        return float(f"{data:.5g}")
    if isinstance(data, dict):
        return {str(key): _rounded(value) for key, value in data.items()}
    return [_rounded(value) for value in data] if isinstance(data, list) else data


def read(directory: Path) -> tuple[Results, dict[str, dict[str, Any]]]:
    """Return the data of each section that was run, and the machine it was run on."""
    found = {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name in SECTIONS
        if (path := directory / f"{name}.json").exists()
    }
    return {name: run["data"] for name, run in found.items()}, {name: run["machine"] for name, run in found.items()}


def digest(directory: Path, section: str) -> str:
    """Return a digest of the results that a plot is drawn from."""
    return hashlib.sha256((directory / f"{section}.json").read_bytes()).hexdigest()[:16]


def sealed(svg: str, of_results: str) -> str:
    """Append a line that says what a plot was drawn from and what it is: a stale or edited plot is noticed."""
    return f"{svg}<!-- results {of_results}, drawing {hashlib.sha256(svg.encode()).hexdigest()[:16]} -->\n"
