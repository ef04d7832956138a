"""Cut the power, and let block writes fail: `python -m attacks.power_cuts`.

Wants root, /dev/fuse, /dev/loop-control, gcc, pkg-config, libfuse3's headers and the tools that make the file systems:
apt-get install gcc libc6-dev pkg-config libfuse3-dev e2fsprogs xfsprogs btrfs-progs
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from pathlib import Path

from .campaign import CONTROLS, Campaign
from .disk import build
from .file_systems import FILE_SYSTEMS
from .results import Results


def main() -> int:
    """Run what the command line asks for; 0: the library has kept its promises, and every control has broken them."""
    parser = argparse.ArgumentParser(prog="python -m attacks.power_cuts", description=__doc__.partition("\n")[0])
    parser.add_argument("--states", type=int, default=1_000, help="states of each file system (1000)")
    parser.add_argument("--file-system", action="append", choices=FILE_SYSTEMS, help="this one; can be repeated (all)")
    parser.add_argument("--seed", default=f"{random.getrandbits(32):08x}", help="of all that is drawn (drawn itself)")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="JSON file of results to begin or to go on with")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where to keep the logs in which something is found")
    parser.add_argument("--workers", type=int, default=3 * (os.cpu_count() or 1), help="processes (3 a processor)")
    parser.add_argument("--observe", action="store_true", help="look at sqlite3 as well")
    options = parser.parse_args()
    file_systems: list[str] = options.file_system or list(FILE_SYSTEMS)
    results = Results(options.resume, options.seed)
    print(f"seed {results.seed}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        campaign = Campaign(build(Path(directory)), file_systems, results, options.workers, options.keep, _tell)
        campaign.run(options.states, options.observe)
    print(*results.table(), sep="\n")
    failures = [*_verdict(results, file_systems)]
    print(*failures, "FAILED" if failures else "every control has failed, and the library has not", sep="\n")
    return 1 if failures else 0


def _tell(line: str) -> None:
    print(line, flush=True)


def _verdict(results: Results, file_systems: list[str]) -> list[str]:
    """Say what speaks against the library, or against the harness."""
    failures: list[str] = []
    for name in file_systems:
        for title in (Results.POWER_CUTS, Results.BLOCK_ERRORS):
            tally = results.get(name, title)
            if tally.violated:
                failures += [f"{name}: {title}: {example}" for example in tally.examples]
        failures += [
            f"{name}: the control {title!r} should fail, and has not in {results.get(name, title).looked_at} states"
            for title in CONTROLS
            if not results.get(name, title).violated
        ]
    return failures


if __name__ == "__main__":
    raise SystemExit(main())
