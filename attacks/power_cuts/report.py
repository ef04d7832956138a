"""The tables of attacks/results/README.md; run it with attacks/results/power_cuts.json as its argument."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from .campaign import CONTROLS, OBSERVATIONS, WEAKER
from .results import Results
from .tally import Tally


def power_cuts(results: Results) -> Iterator[str]:
    """Give the table of what the library has survived, as Markdown."""
    yield "| File system | States | of them prefixes, subsets, torn | Commits | Violations | Not mountable |"
    yield "|---|---|---|---|---|---|"
    for name in results.file_systems:
        tally = results.get(name, Results.POWER_CUTS)
        torn = sum(count for kind, count in tally.states.items() if kind.startswith("torn"))
        kinds = f"{tally.states['prefix']:,}, {tally.states['subset']:,}, {torn:,}"
        lost = " ".join(f"{count:,} ({kind})" for kind, count in sorted(tally.unmountable.items())) or "0"
        yield f"| {name} | {tally.looked_at:,} | {kinds} | {tally.commits:,} | {tally.violated:,} | {lost} |"


def block_errors(results: Results) -> Iterator[str]:
    """Give the table of commits that met a failing disk."""
    yield "| File system | Failures | returned | raised | uncertain | States | Violations |"
    yield "|---|---|---|---|---|---|---|"
    for name in results.file_systems:
        tally = results.get(name, Results.BLOCK_ERRORS)
        outcomes = " | ".join(f"{tally.outcomes[outcome]:,}" for outcome in ("returned", "raised", "uncertain"))
        yield f"| {name} | {tally.outcomes.total():,} | {outcomes} | {tally.looked_at:,} | {tally.violated:,} |"


def controls(results: Results) -> Iterator[str]:
    """Give the table of what became of the controls, and of others."""
    yield f"| Who writes | {' | '.join(results.file_systems)} |"
    yield f"|---|{'---|' * len(results.file_systems)}"
    for title in (*CONTROLS, WEAKER, *OBSERVATIONS):
        yield f"| {title} | {' | '.join(_violated(results.get(name, title)) for name in results.file_systems)} |"


def _violated(tally: Tally) -> str:
    """Say how many states broke a promise, and in which way."""
    if not tally.violated:
        return f"0 of {tally.looked_at:,}"
    parts = []
    for kind in ("damaged", "lost", "left over"):
        counts = [tally.violations[f"{what}, {kind}"] for what in ("replacement", "creation")]
        if any(counts):
            parts.append(f"{kind} {counts[0]:,} + {counts[1]:,}")
    return f"{tally.violations['any']:,} of {tally.looked_at:,}: {', '.join(parts)}"


def tables(results: Results) -> Iterator[str]:
    """Give all of them."""
    for table in (power_cuts, block_errors, controls):
        yield "\n".join(table(results))


if __name__ == "__main__":
    print(*tables(Results.of(Path(sys.argv[1]))), sep="\n\n")
