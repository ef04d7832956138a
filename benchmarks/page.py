"""Fill in the pages: docs/performance.md for users, benchmarks/README.md for contributors.

What stands between a pair of markers is written from benchmarks/results, the words around it are not.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any

from . import goals, machine, record, summary
from .environments import ROOT
from .plots import PLOTS, PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IMAGES = ROOT / "docs" / "images"
NOT_YET = "**Not measured yet.**"
_BLOCK = re.compile(r"(<!-- measured: ([^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def section(name: str) -> Any:
    """Return the module of a section."""
    return importlib.import_module(f"{__package__}.sections.{name}")


def for_users(directory: Path) -> dict[str, str]:
    """Return the generated parts of docs/performance.md, without those whose section or contestant was not run."""
    data, machines = record.read(directory)
    found: dict[str, str] = {}
    for name, part in summary.PARTS.items():
        if set(part.needs) <= data.keys():
            try:
                found[name] = part.write(data, machines)
            except KeyError:  # a contestant that could not be run: its line in benchmarks/README.md says why
                continue
    return found


def for_contributors(directory: Path) -> dict[str, str]:
    """Return the generated parts of benchmarks/README.md: the goals, the machine, and every table."""
    data, machines = record.read(directory)
    found = {"goals": goals.table(data).markdown(), "machine": _machines(machines)}
    for name, its in data.items():
        for table in section(name).tables(its):
            found[table.name] = table.markdown()
    return found


PAGES: dict[str, Callable[[Path], dict[str, str]]] = {
    "docs/performance.md": for_users,
    "benchmarks/README.md": for_contributors,
}


def _machines(machines: dict[str, dict[str, Any]]) -> str:
    """Describe the machine once for all sections that were run together."""
    runs: dict[str, list[str]] = {}
    for name, about in machines.items():
        runs.setdefault(machine.sentence(about), []).append(name)
    if len(runs) == 1:
        return next(iter(runs))
    return "\n".join(f"- {', '.join(names)}: {sentence}" for sentence, names in runs.items())


def update(text: str, found: dict[str, str]) -> str:
    """Return a page with its generated parts replaced.

    Raises:
        KeyError: something was measured that the page has no part for.
    """
    homeless = found.keys() - {match[2] for match in _BLOCK.finditer(text)}
    if homeless:
        raise KeyError(f"the page has no part for {sorted(homeless)}")
    return _BLOCK.sub(lambda match: f"{match[1]}\n{found.get(match[2], NOT_YET)}\n\n{match[3]}", text)


def write(root: Path, results: Path) -> None:
    """Fill in both pages below `root`."""
    for name, parts in PAGES.items():
        page = root / name
        page.write_text(update(page.read_text(encoding="utf-8"), parts(results)), encoding="utf-8")


def stale(root: Path, images: Path, directory: Path) -> list[str]:
    """Return the names of the pages and plots that do not agree with the results."""
    wrong = []
    for name, parts in PAGES.items():
        text = (root / name).read_text(encoding="utf-8")
        if update(text, parts(directory)) != text:
            wrong.append(name)
    for name, plot in PLOTS.items():
        path = images / f"{PREFIX}{name}.svg"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        drawing = "".join(lines[:-1])
        if "".join(lines) != record.sealed(drawing, record.digest(directory, plot.section)):
            wrong.append(path.name)
    return wrong
