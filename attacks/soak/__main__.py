"""Work for an hour and see that nothing grows: python -m attacks.soak [--seconds 3600].

Wants root, for a small file system that gets full. Ends with a line for each count, and fails if one of them has grown, if
a promise was broken on the way, or if a leak that is made on purpose is not seen.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..record import record
from .measure import EXACT, Meter, Sample, Trend, trends
from .work import TURNS, World, worlds

LONG = 600
"""Seconds; a run that is shorter leaves the figures of the last long one alone."""
SAMPLES = 400
"""In a run, evenly spread, and at least one a second apart."""
LEAKING_TURNS = {"heap": 1500, "resident": 6000, "descriptors": 300, "threads": 300, "files": 300}
"""With a leak that is made on purpose; what the kernel counts comes in steps, and needs more of them."""


def soak(world: World, meter: Meter, seconds: float, done: Counter[str]) -> list[Sample]:
    """Make turns for so long; give the samples."""
    turns, weights = list(TURNS), list(TURNS.values())
    for each in turns * 2:  # what is imported and cached on first use is there before anything is counted
        each(world)
    begun = time.monotonic()
    samples, turn, due = [meter.sample(0, 0)], 0, 0.0
    while (now := time.monotonic() - begun) < seconds:
        if now >= due:
            samples.append(meter.sample(turn, now))
            due = now + max(1.0, seconds / SAMPLES)
        chosen = world.random.choices(turns, weights)[0]
        chosen(world)
        done[chosen.__name__] += 1
        turn += 1
    samples.append(meter.sample(turn, time.monotonic() - begun))
    return samples


def leaks(directory: Path) -> dict[str, tuple[str, Callable[[list[Any]], object], Callable[[Any], object]]]:
    """Give, by name, the count that must grow, what makes one leak, and what mends it."""

    def sleeper(kept: list[Any]) -> None:
        event = threading.Event()
        threading.Thread(target=event.wait).start()
        kept.append(event)

    def file(kept: list[Any]) -> None:
        path = directory / f".plain.json.{len(kept):016x}.tmp"
        path.touch()
        kept.append(path)

    return {
        "one descriptor a turn": ("descriptors", lambda kept: kept.append(os.open(os.devnull, os.O_RDONLY)), os.close),
        "one KB a turn": ("heap", lambda kept: kept.append(os.urandom(1024)), lambda _: None),
        "one KB a turn, in what the kernel counts": ("resident", lambda kept: kept.append(os.urandom(1024)), lambda _: None),
        "one thread a turn": ("threads", sleeper, threading.Event.set),
        "one file a turn": ("files", file, Path.unlink),
    }


def missed(world: World, meter: Meter) -> list[str]:
    """Leak on purpose; give the leaks that were not seen."""
    unseen = []
    for name, (count, leak, mend) in leaks(world.directory).items():
        kept: list[Any] = []
        samples = []
        try:
            for turn in range(LEAKING_TURNS[count] + 1):
                if turn % (LEAKING_TURNS[count] // 15) == 0:
                    samples.append(meter.sample(turn, 0))
                world.stores[0].reload()
                leak(kept)
            trend = trends(samples)[count]
        finally:
            for each in kept:
                mend(each)
        print(f"{'seen  ' if trend.grows else 'MISSED'} {name}: {count} {trend.slope:+.3f} a turn", flush=True)
        if not trend.grows:
            unseen.append(name)
    return unseen


def show(name: str, trend: Trend) -> None:
    """Print the line of one count."""
    verdict = "GROWS" if trend.grows else "level"
    slope = f"slope {trend.slope:+.6f} a turn, growth {trend.growth:+.1f}"
    print(f"{verdict} {name:12} {trend.first:12.0f} -> {trend.last:12.0f}, {slope}")


def main() -> int:
    """Soak as the command line says; give how the program ends."""
    parser = argparse.ArgumentParser(prog="python -m attacks.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in EXACT.items()):
        # Once more, so that each allocation can be counted.
        os.execve(sys.executable, [sys.executable, "-m", "attacks.soak", *sys.argv[1:]], {**os.environ, **EXACT})
    logging.getLogger("atomic_store").setLevel(logging.ERROR)  # what is set aside is told in each such turn
    begun = time.monotonic()
    done: Counter[str] = Counter()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="soak-", dir=memory) as place, worlds(Path(place), options.seed) as world:
        meter = Meter(world.strangers, world.unfinished)
        samples = soak(world, meter, options.seconds, done)
        found = trends(samples)
        unseen = missed(world, meter)
    for name, trend in found.items():
        show(name, trend)
    growing = [name for name, trend in found.items() if trend.grows]
    print(f"work: {dict(done.most_common())}")
    print(f"on the way: {dict(sorted(world.happened.items()))}")
    growth = f"{', '.join(growing)} GROWS" if growing else "nothing grows"
    print(f"{samples[-1].turn} turns in {samples[-1].seconds:.0f} s, {growth}, {len(unseen)} leaks on purpose not seen")
    path = record(
        "soak" if options.seconds >= LONG else "soak-short",
        begun,
        command=sys.argv[1:],
        seed=options.seed,
        turns=samples[-1].turn,
        trends={name: trend._asdict() for name, trend in found.items()},
        growing=growing,
        leaks_not_seen=unseen,
        work=done,
        happened=world.happened,
        samples=[list(sample) for sample in samples[:: len(samples) // 60 + 1]],
    )
    print(f"{time.monotonic() - begun:.0f} seconds; {path}")
    return bool(growing or unseen)


if __name__ == "__main__":
    sys.exit(main())
