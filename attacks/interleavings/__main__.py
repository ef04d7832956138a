"""Every interleaving of two and three actors on one file: python -m attacks.interleavings.

Runs each scenario through all schedules with at most so many preemptions, but for those that end like another one (see
trace.py), and prints each that fails, with the list that replays it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from attacks.record import record

from .scenarios import Scenario, explored, interrupted, scenarios

WHOLE = 3  # preemptions; a run with fewer leaves the figures of the last whole one alone


def main() -> int:
    """Explore; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m attacks.interleavings", description=__doc__)
    parser.add_argument("--preemptions", type=int, default=WHOLE, help="of two actors (default: %(default)s)")
    parser.add_argument("--of-three", type=int, default=1, help="preemptions of three actors (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=20_000, help="schedules of one scenario (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one for each core)")
    parser.add_argument("--only", default="", help="only scenarios whose description has this text")
    chosen = parser.parse_args()

    begun = time.monotonic()
    todo: list[tuple[Scenario, int]] = [(each, chosen.preemptions) for each in (*interrupted(), *scenarios(2))]
    todo += [(each, chosen.of_three) for each in scenarios(3)]
    todo = [(each, preemptions) for each, preemptions in todo if chosen.only in str(each)]
    schedules, cut, failures = 0, 0, 0
    with ProcessPoolExecutor(chosen.jobs) as pool:
        waiting = [pool.submit(explored, scenario, preemptions, chosen.limit) for scenario, preemptions in todo]
        for done in waiting:
            one = done.result()
            schedules += one.schedules
            cut += one.cut
            failures += one.failure is not None
            print(one.failure or f"{one.scenario}: {one.schedules} schedules", flush=True)
    print(f"{len(todo)} scenarios, {schedules} schedules, {cut} scenarios cut short, {failures} failures")
    path = record(
        "interleavings" if chosen.preemptions >= WHOLE and not chosen.only else "interleavings-short",
        begun,
        preemptions=chosen.preemptions,
        preemptions_of_three=chosen.of_three,
        scenarios=len(todo),
        schedules=schedules,
        scenarios_cut_short=cut,
        failures=failures,
    )
    print(path)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
