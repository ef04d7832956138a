"""Cut the power, and let block writes fail: `python -m attacks.power_cuts`, which says what it needs of the machine."""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .campaign import CONTROLS, WEAKER, Campaign
from .disk import build
from .file_systems import FILE_SYSTEMS
from .requirements import missing
from .results import Results
from .tally import Tally


def main() -> int:
    """Run what the command line asks for; 0: the library has kept its promises, and every control has broken them."""
    parser = argparse.ArgumentParser(prog="python -m attacks.power_cuts", description=__doc__.partition("\n")[0])
    parser.add_argument("--states", type=int, default=1_000, help="states of each file system (1000)")
    parser.add_argument("--file-system", action="append", choices=FILE_SYSTEMS, help="this one; can be repeated (all)")
    parser.add_argument("--seed", default=f"{random.getrandbits(32):08x}", help="of all that is drawn (drawn itself)")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="JSON file of results to begin or to go on with")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where to keep images of disks on which something is lost")
    parser.add_argument("--workers", type=int, default=3 * (os.cpu_count() or 1), help="processes (3 a processor)")
    parser.add_argument("--controls", type=int, default=1, help="rounds of each control (1, more until it fails)")
    parser.add_argument("--observe", action="store_true", help="look at fsync=False and sqlite3 as well")
    options = parser.parse_args()
    file_systems: list[str] = options.file_system or list(FILE_SYSTEMS)
    lacking = list(missing(tuple(FILE_SYSTEMS[name] for name in file_systems)))
    if lacking:
        print("This needs", *lacking, sep="\n  ")
        return 2
    results = Results(options.resume, options.seed)
    results.begin(options.states)
    print(f"seed {results.seed}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        campaign = Campaign(build(Path(directory)), file_systems, results, options.workers, options.keep, _tell)
        campaign.run(options.states, options.controls, options.observe)
    print(*results.table(), sep="\n")
    harmless = [(name, title) for name in file_systems for title in CONTROLS if (name, title) not in campaign.found]
    failures = [*_broken(results, file_systems)]
    failures += [f"{name}: the control {title!r} should fail, and has not" for name, title in harmless]
    print(*failures, _sum(results, file_systems, len(harmless)), sep="\n")
    print(f"{results.seconds} seconds; {options.resume or 'the results were not kept'}")
    return 1 if failures else 0


def _tell(line: str) -> None:
    print(line, flush=True)


def _sum(results: Results, file_systems: list[str], harmless: int) -> str:
    """Give what there is to say in a line."""
    total = Tally()
    parts: list[str] = []
    for title in (Results.POWER_CUTS, Results.BLOCK_ERRORS):
        tallies = [results.get(name, title) for name in file_systems]
        for tally in tallies:
            total.add(tally)
        parts.append(f"{sum(tally.looked_at for tally in tallies)} states of {title}")
    controls = len(file_systems) * len(CONTROLS)
    return (
        f"{len(file_systems)} file systems: {' and '.join(parts)}, {total.violated} violations, "
        f"{total.unmountable.total()} unmountable; {controls - harmless} of {controls} controls failed"
    )


def _broken(results: Results, file_systems: list[str]) -> Iterator[str]:
    """Say where the library has broken a promise."""
    for name in file_systems:
        for title in (Results.POWER_CUTS, Results.BLOCK_ERRORS):
            tally = results.get(name, title)
            if tally.violated:
                yield from (f"{name}: {title}: {example}" for example in tally.examples)
        weaker = results.get(name, WEAKER)
        if weaker.worse_than_undone:
            yield from (f"{name}: {WEAKER}: {example}" for example in weaker.examples)


if __name__ == "__main__":
    raise SystemExit(main())
