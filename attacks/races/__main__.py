"""Eight writers and four readers of one file, on each file system: python -m attacks.races.

With lock=, update() or on_conflict="raise" no step of any writer is lost, each is made once, readers see whole values only,
and the counter never goes back. Controls, on each file system: without a remedy steps are lost, and readers see a
file torn that is written in place.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from crowd import READ, WRITE, Program

import atomic_store

from ..record import record
from .file_systems import FILE_SYSTEMS

WRITERS, READERS = 8, 4
LONG = 60  # seconds; a run that is shorter leaves the figures of the last long one alone
REMEDIES = ("lock", "update", "raise")


@dataclass
class Outcome:
    """What a race has come to.

    Attributes:
        steps: what the writers have noted, each as the number that it had committed.
        stored: the number that is stored in the end.
        reads: how often readers have read.
        wrong: what readers have seen that they must not.
        names: what is left in the directory.
    """

    steps: list[int] = field(default_factory=list)
    stored: int = 0
    reads: int = 0
    wrong: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """How many steps are not in what is stored."""
        return len(self.steps) - self.stored

    def violations(self) -> list[str]:
        """All that must not be."""
        found = list(self.wrong)
        if sorted(self.steps) != list(range(1, len(self.steps) + 1)):
            found.append(f"of {len(self.steps)} steps {len(self.steps) - len(set(self.steps))} were made twice")
        if self.lost:
            found.append(f"{len(self.steps)} steps were made, and {self.stored} is stored")
        if self.names != [".counter.lock", "counter"]:
            found.append(f"files left behind: {self.names}")
        if not self.steps or not self.reads:
            found.append(f"nothing was tried: {len(self.steps)} steps, {self.reads} reads")
        return found


def race(place: Path, notes: Path, ways: tuple[str, ...], writers: int, readers: int, seconds: float) -> Outcome:
    """Let so many programs write, by these ways in turn, and so many read, for some seconds."""
    outcome = Outcome()
    place.mkdir()
    notes.mkdir()
    path = place / "counter"
    with ExitStack() as stack:
        writing = [
            stack.enter_context(Program(WRITE, path, ways[number % len(ways)], notes / str(number)))
            for number in range(writers)
        ]
        reading = [stack.enter_context(Program(READ, path)) for _ in range(readers)]
        for program in (*writing, *reading):
            ready = program.hear()
            if ready != "ready":
                raise AssertionError(ready)
        for program in (*reading, *writing):
            program.say("go")
        time.sleep(seconds)
        # The readers first: what they see happens while others write.
        for program in (*reading, *writing):
            program.say("stop")
        for reader in reading:
            word = reader.hear()
            if word.isdecimal():
                outcome.reads += int(word)
            else:
                outcome.wrong.append(word)
        for program in (*writing, *reading):
            program.finish()
    outcome.steps = [int(line) for file in notes.iterdir() for line in file.read_text(encoding="ascii").split()]
    try:
        outcome.stored = atomic_store.open(path, {"n": 0}).value["n"]
    except atomic_store.LoadError:
        outcome.wrong.append("torn")
    outcome.names = sorted(name.name for name in place.iterdir())
    return outcome


def main() -> int:
    """Run; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m attacks.races", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="for how long on each file system (default: %(default)s)")
    parser.add_argument("--on", choices=FILE_SYSTEMS, action="append", help="only on this file system; may be given again")
    chosen = parser.parse_args()

    begun = time.monotonic()
    failures: list[str] = []
    figures: dict[str, dict[str, object]] = {}
    for kind in chosen.on or FILE_SYSTEMS:
        with tempfile.TemporaryDirectory(prefix="atomic_store-races-") as directory:
            scratch = Path(directory)
            with FILE_SYSTEMS[kind](scratch) as place:
                outcome = race(place / "race", scratch / "notes", REMEDIES, WRITERS, READERS, chosen.seconds)
                careless = race(place / "lossy", scratch / "lossy notes", ("without a remedy",), 4, 0, 1)
                torn = race(place / "torn", scratch / "torn notes", ("in place",), 1, 2, 1)
        found = outcome.violations()
        if careless.lost <= 0:
            found.append("CONTROL: without a remedy nothing was lost")
        if "torn" not in torn.wrong:
            found.append("CONTROL: a file that is written in place was never seen torn")
        failures += [f"{kind}: {each}" for each in found]
        figures[kind] = {
            "commits": len(outcome.steps),
            "reads": outcome.reads,
            "violations": found,
            "control: commits lost without a remedy": f"{careless.lost} of {len(careless.steps)}",
            "control: readers that saw a torn value": torn.wrong.count("torn"),
        }
        print(f"{kind:<8}", *(f"{name}: {figure};" for name, figure in figures[kind].items()), flush=True)
    print(f"{len(figures)} file systems, {len(failures)} violations")
    path = record(
        "races" if chosen.seconds >= LONG and chosen.on is None else "races-short",
        begun,
        seconds_on_each=chosen.seconds,
        writers=WRITERS,
        readers=READERS,
        file_systems=figures,
    )
    print(f"{time.monotonic() - begun:.0f} seconds; {path}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
