"""Fail each system call of each kind of commit and open, in the kernel: python -m attacks.outside.

The fault sweep of the tests stands between the library and the module os. Here strace answers in the kernel's stead, so
that Python's own C code sees the error too. Each shot proves itself: strace says that it was injected, and the call
that it hit is the one that was meant. What must hold afterwards is what the fault sweep demands.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from careless import Careful, by
from faults import KINDS, outcome
from tracing import shoot
from victim import Victim

from ..record import record
from .shots import ERRORS, flaws, shots

EVIDENCE = "once, with evidence"


@dataclass
class Verdict:
    """What the shots at one kind have shown."""

    kind: str
    points: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    flaws: list[str] = field(default_factory=list)
    seconds: float = 0.0


WRITERS: list[type[Careful]] = [Careful, *Careful.__subclasses__()]
CONTROLS = {by(writer).name: writer.flaw for writer in WRITERS}
"""Writers that are not the library, by what the sweep must say of them; of the first, nothing."""
ALL = {kind.name: kind for kind in (*KINDS, *map(by, WRITERS))}


def attack(name: str, long: bool) -> Verdict:
    """Fail each system call of a kind, one after the other."""
    kind, begun = ALL[name], time.monotonic()
    verdict = Verdict(kind.name)
    victim = Victim()
    try:
        with tempfile.TemporaryDirectory(prefix="atomic_store-outside-") as scratch:
            directory = Path(scratch)
            old, new = outcome(kind, directory / "rehearsal")
            status, report, plan = shoot(victim, kind, directory / "plan" / "place", "-y", how=EVIDENCE)
            if (status, report["ended"], report["again"], plan.injected) != (0, "success", "success", []):
                raise AssertionError(f"{kind.name} does not work without a fault: {status}, {report}")
            for count, shot in enumerate(shots(kind, plan, long)):
                place = directory / str(count) / "place"
                status, report, trace = shoot(victim, kind, place, "-y", "-e", shot.option, how=EVIDENCE)
                missed = shot.not_delivered(trace)
                if missed is not None:
                    found = [missed]
                elif status != 0:
                    found = [f"the program has ended with {status}"]
                else:
                    found = flaws(shot, old, new, place, report, trace)
                verdict.points += 1
                verdict.endings[str(report.get("ended"))] += 1
                verdict.flaws += [f"{kind.name}, call {shot.index}, {shot.name}, {shot.error}: {flaw}" for flaw in found]
    except BaseException as error:
        verdict.flaws.append(f"{kind.name}: the sweep could not be made: {error!r}")
    finally:
        victim.close()
    verdict.seconds = round(time.monotonic() - begun, 1)
    return verdict


def main() -> int:
    """Run; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m attacks.outside", description=__doc__)
    parser.add_argument("--long", action="store_true", help=f"fail each call with each of {', '.join(ERRORS)}")
    parser.add_argument("--only", metavar="TEXT", default="", help="only the kinds whose name contains TEXT")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (default: %(default)s)")
    chosen = parser.parse_args()
    # A shell that runs things in the background makes them ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    begun = time.monotonic()
    names = [name for name in ALL if chosen.only in name or name in CONTROLS]
    verdicts: list[Verdict] = []
    bad_controls: list[str] = []
    with ProcessPoolExecutor(chosen.jobs) as pool:
        for verdict in pool.map(attack, names, [chosen.long] * len(names)):
            print(f"{verdict.points:>5} faults {verdict.seconds:>6} s  {verdict.kind}: {dict(verdict.endings)}", flush=True)
            if verdict.kind not in CONTROLS:
                verdicts.append(verdict)
                print(*(f"      VIOLATION {flaw}\n" for flaw in verdict.flaws), sep="", end="", flush=True)
                continue
            wanted = CONTROLS[verdict.kind]
            found = [flaw for flaw in verdict.flaws if wanted in flaw] if wanted else []
            if bool(wanted) != bool(found) or bool(wanted) != bool(verdict.flaws):
                bad_controls.append(verdict.kind)
                print(f"      CONTROL: should be {wanted!r}, and is {verdict.flaws}", flush=True)
            else:
                print(f"      control: {found[0] if found else 'no flaw'}", flush=True)
    points = sum(verdict.points for verdict in verdicts)
    flaws_found = [flaw for verdict in verdicts for flaw in verdict.flaws]
    least = min((verdict.points for verdict in verdicts), default=0)
    print(
        f"{points} system calls failed in {len(verdicts)} kinds of commit and open: {len(flaws_found)} violations; "
        f"{len(CONTROLS) - len(bad_controls)} of {len(CONTROLS)} controls as they should be"
    )
    path = record(
        # A short run leaves the figures of the last long one alone.
        "outside" if chosen.long and not chosen.only else "outside-short",
        begun,
        points=points,
        violations=flaws_found,
        controls=len(CONTROLS),
        bad_controls=bad_controls,
        errors=ERRORS,
        points_of={verdict.kind: verdict.points for verdict in verdicts},
        endings_of={verdict.kind: verdict.endings for verdict in verdicts},
    )
    print(f"{time.monotonic() - begun:.0f} seconds; {path}")
    return 0 if least > 0 and not flaws_found and not bad_controls else 1


if __name__ == "__main__":
    sys.exit(main())
