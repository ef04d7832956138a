"""docs/performance.md: its tables are made of benchmarks/results, between markers; the words around them are not."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from typing import TYPE_CHECKING, Any

from . import goals, machine
from .environments import ROOT

if TYPE_CHECKING:
    from pathlib import Path

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "performance.md"
IMAGES = ROOT / "docs" / "images"
PREFIX = "performance-"
NOT_YET = "**Not measured yet.**"
SECTIONS = ["commit", "reading", "scaling", "large", "startup", "contention", "formats", "s3"]
_BLOCK = re.compile(r"(<!-- measured: ([^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def write_results(directory: Path, section: str, about: dict[str, Any], data: Any) -> None:
    """Keep what a section has found, with the machine, one list of figures a line."""
    directory.mkdir(exist_ok=True)
    text = json.dumps({"machine": about, "data": _rounded(data)}, indent=1, ensure_ascii=False)
    flat = re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda found: "[" + re.sub(r",\s+", ", ", found[1]) + "]", text)
    (directory / f"{section}.json").write_text(flat + "\n", encoding="utf-8")


def _rounded(data: Any) -> Any:
    """Round to five digits: the others say nothing."""
    if isinstance(data, float):
        return float(f"{data:.5g}")
    if isinstance(data, dict):
        return {str(key): _rounded(value) for key, value in data.items()}
    return [_rounded(value) for value in data] if isinstance(data, list) else data


def read_results(directory: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Give the data of each section that was run, and the machine it was run on."""
    found = {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name in SECTIONS
        if (path := directory / f"{name}.json").exists()
    }
    return {name: run["data"] for name, run in found.items()}, {name: run["machine"] for name, run in found.items()}


def section(name: str) -> Any:
    """Give the module of a section."""
    return importlib.import_module(f"{__package__}.sections.{name}")


def blocks(directory: Path) -> dict[str, str]:
    """Write all generated parts of the page."""
    data, machines = read_results(directory)
    found = {"goals": goals.table(data).markdown(), "machine": _machines(machines)}
    for name, its in data.items():
        for table in section(name).tables(its):
            found[table.name] = table.markdown()
    return found


def _machines(machines: dict[str, dict[str, Any]]) -> str:
    """Describe the machine once for all sections that were run together."""
    runs: dict[str, list[str]] = {}
    for name, about in machines.items():
        runs.setdefault(machine.sentence(about), []).append(name)
    if len(runs) == 1:
        return next(iter(runs))
    return "\n".join(f"- {', '.join(names)}: {sentence}" for sentence, names in runs.items())


def update(text: str, directory: Path) -> str:
    """Give the page with its generated parts made anew.

    Raises:
        KeyError: something was measured that the page has no part for.
    """
    found = blocks(directory)
    homeless = found.keys() - {match[2] for match in _BLOCK.finditer(text)}
    if homeless:
        raise KeyError(f"the page has no part for {sorted(homeless)}")
    return _BLOCK.sub(lambda match: f"{match[1]}\n{found.get(match[2], NOT_YET)}\n\n{match[3]}", text)


def digest(directory: Path, section: str) -> str:
    """Give a digest of the results that a plot is drawn from."""
    return hashlib.sha256((directory / f"{section}.json").read_bytes()).hexdigest()[:16]


def sealed(svg: str, of_results: str) -> str:
    """Give a plot with a last line that says what it was drawn from and what it is: a stale or changed one shows."""
    return f"{svg}<!-- results {of_results}, drawing {hashlib.sha256(svg.encode()).hexdigest()[:16]} -->\n"


def stale(page: Path, images: Path, directory: Path) -> list[str]:
    """Name what does not agree with the results: the page, and each plot."""
    from .plots import PLOTS

    wrong = [] if update(text := page.read_text(encoding="utf-8"), directory) == text else [page.name]
    for name, plot in PLOTS.items():
        path = images / f"{PREFIX}{name}.svg"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        drawing = "".join(lines[:-1])
        if "".join(lines) != sealed(drawing, digest(directory, plot.section)):
            wrong.append(path.name)
    return wrong
