"""Load hostile files through every format and wrapper: python -m attacks.fuzz [--cases 20000] [--minutes 120].

The same seed gives the same files. A finding is printed with the command that loads it again, alone.
"""

from __future__ import annotations

import argparse
import operator
import os
import select
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from ..record import record
from .controls import controls, missed
from .guard import Finding, Tally, Work, finish
from .targets import Case, Target, targets

REGRESSIONS = Path(__file__).resolve().parent / "regressions"
PIECE = 5000
"""Cases that one child goes through: its memory and its garbage are gone with it."""
LONG = 30
"""Minutes; a run that is shorter leaves the figures of the last long one alone."""
KEPT_EVERY = 60
"""Seconds after which the results so far are written: a long run may be ended."""


def pieces(chosen: list[Target], cases: int, until: float | None) -> Iterator[tuple[Target, range]]:
    """Give the pieces of work: so many cases of each target, or round by round until the time is over."""
    rounds = count() if until is not None else iter([0])
    for turn in rounds:
        for target in chosen:
            share = int(cases * target.share)
            begin = turn * share
            for start in range(begin, begin + share, PIECE):
                if until is not None and time.monotonic() > until:
                    return
                yield target, range(start, min(start + PIECE, begin + share))


def attack(
    work: Iterator[tuple[Target, range]], seed: int, jobs: int, keep: Callable[[dict[str, Tally]], object]
) -> dict[str, Tally]:
    """Let so many children work at the same time; give how the cases of each target have ended, and now and then so far."""
    kept = time.monotonic()
    tallies: defaultdict[str, Tally] = defaultdict(lambda: Tally(0, 0, 0.0, []))
    busy: list[Work] = []
    try:
        while True:
            while len(busy) < jobs and (piece := next(work, None)) is not None:
                busy.append(Work(piece[0], seed, piece[1]))
            if not busy:
                return dict(tallies)
            select.select(busy, [], [], 1)
            if time.monotonic() - kept > KEPT_EVERY:
                keep(tallies)
                kept = time.monotonic()
            for child in list(busy):
                if child.step():
                    continue
                busy.remove(child)
                before, now = tallies[child.target.name], child.tally
                tallies[child.target.name] = Tally(*map(operator.add, before, now))
                for finding in now.findings:
                    tell(finding, seed)
    finally:
        for child in busy:
            child.stop()


def tell(finding: Finding, seed: int) -> None:
    """Print a finding, and how to see it again."""
    print(f"FOUND {finding.kind}: {finding.target}, case {finding.number} of seed {seed}: {finding.told}")
    print(f"  {len(finding.content)} bytes: {finding.content[:200]!r}")
    print(f"  again: python -m attacks.fuzz --seed {seed} --only '{finding.target}' --case {finding.number}", flush=True)


def load_one(target: Target, case: Case) -> Finding | None:
    """Load one file in a child of its own; give what is wrong with it."""
    (tally,) = finish([Work(target, 0, range(1), {0: case})])
    return next(iter(tally.findings), None)


def shrink(target: Target, finding: Finding, tries: int = 300) -> bytes:
    """Leave pieces of a file out as long as the rest is the same finding."""
    content, size = finding.content, max(1, len(finding.content) // 2)
    while size and tries:
        start = 0
        while start < len(content) and tries:
            tries -= 1
            less = content[:start] + content[start + size :]
            again = load_one(target, Case(less, finding.forging))
            if again is not None and again.kind == finding.kind:
                content = less
            else:
                start += size
        size //= 2
    return content


def replay(all_targets: list[Target]) -> list[Finding]:
    """Load every file that was once a finding, through the targets it is kept for; give those that still are."""
    found = []
    for file in sorted(REGRESSIONS.glob("*/*")):
        for target in all_targets:
            if target.name.startswith(file.parent.name):
                forging = target.spy is not None and file.name.startswith("forged")
                finding = load_one(target, Case(file.read_bytes(), forging))
                print(f"{'FOUND' if finding else 'ok   '} {file.parent.name}/{file.name} through {target.name}", flush=True)
                if finding is not None:
                    print(f"  {finding.kind}: {finding.told}")
                    found.append(finding)
    return found


def main() -> int:
    """Attack as the command line says; give how the program ends."""
    parser = argparse.ArgumentParser(prog="python -m attacks.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=20_000, help="of each target in a round; the slow ones get their share")
    parser.add_argument("--minutes", type=float, help="go on, round by round, for so long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="children at the same time")
    parser.add_argument("--only", help="targets whose names begin so")
    parser.add_argument("--case", type=int, help="load this case alone, and make it smaller if it is a finding")
    parser.add_argument("--replay", action="store_true", help="load what was once found")
    options = parser.parse_args()
    begun = time.monotonic()
    all_targets = targets()
    chosen = [target for target in all_targets if target.name.startswith(options.only or "")]
    if options.replay:
        return len(replay(chosen)) > 0
    if options.case is not None:
        return again(chosen[0], options.seed, options.case)
    unseen = missed(controls(all_targets), options.seed, options.jobs) if options.only is None else []
    until = None if options.minutes is None else begun + 60 * options.minutes

    def keep(tallies: dict[str, Tally]) -> Path:
        return record(
            "fuzz-short" if (options.minutes or 0) < LONG or options.only else "fuzz",
            begun,
            command=sys.argv[1:],
            seed=options.seed,
            cases=sum(tally.cases for tally in tallies.values()),
            targets={name: {**tally._asdict(), "findings": len(tally.findings)} for name, tally in tallies.items()},
            controls_missed=unseen,
            findings=[finding.portable for tally in tallies.values() for finding in tally.findings],
        )

    tallies = attack(pieces(chosen, options.cases, until), options.seed, options.jobs, keep)
    path = keep(tallies)
    findings = [finding for tally in tallies.values() for finding in tally.findings]
    for name, tally in tallies.items():
        ended = f"{tally.loaded:9} loaded, {tally.refused:9} LoadError, {len(tally.findings)} found"
        print(f"{name:40} {tally.cases:9} cases, {ended}, {tally.processor:6.1f} s of processor time")
    cases = sum(tally.cases for tally in tallies.values())
    print(f"{cases} cases, {len(findings)} found, {len(unseen)} of the controls missed")
    print(f"{time.monotonic() - begun:.0f} seconds; {path}")
    return bool(findings or unseen)


def again(target: Target, seed: int, number: int) -> int:
    """Load one case; if it is a finding, print the smallest file that still is one."""
    case = target.case(seed, number)
    finding = load_one(target, case)
    if finding is None:
        print(f"nothing is wrong with {target.name}, case {number} of seed {seed}: {case.content[:500]!r}")
        return 0
    tell(finding._replace(number=number), seed)
    if finding.kind != "hang":
        print(f"  smaller: {shrink(target, finding)!r}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
