"""Fail each system call of each kind of commit and open, in the kernel: python -m attacks.outside.

The fault sweep of the tests stands between the library and the module os. Here strace answers in the kernel's stead, so
that Python's own C code sees the error too. Each shot proves itself: strace says that it was injected, and the call
that it hit is the one that was meant. What must hold afterwards is what the fault sweep demands.
"""

from __future__ import annotations

import argparse
import errno
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from careless import Careful, by
from faults import KINDS, Attack, Call, Kind, Scene, Witness, outcome
from tracing import IN_PYTHON, PRIVATE, Trace, shoot
from victim import Victim, from_text

from .record import record

# brk(2) is not among them: it tells a failure by the old end of the data, and never as an error.
MEMORY = ("mmap", "mremap")
# The short run fails every call with EIO, and with one of the others in turn; the long run with all of them.
ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EINTR", "EMFILE", "EROFS", "EACCES", "ESTALE", "EPERM")
# Calls that cannot fail.
SAFE = ("geteuid", "getpid", "gettid")
EVIDENCE = "once, with evidence"


@dataclass
class Reported(Scene):
    """A scene as the worker has found it right after the fault, before it tried again."""

    stored: bytes | None = None
    left: list[str] = field(default_factory=list)

    def visible(self) -> bytes | None:
        """The bytes that were stored then."""
        return self.stored

    def strangers(self) -> list[str]:
        """The names that were there then and that no commit leaves."""
        return self.left


@dataclass
class Shot:
    """One system call that fails.

    Attributes:
        kind: what the worker was about to do.
        plan: its system calls without a fault.
        index: which one of them fails.
        error: with what, by the name of its errno.
    """

    kind: Kind
    plan: Trace
    index: int
    error: str

    @property
    def name(self) -> str:
        """The system call."""
        return self.plan.act[self.index]

    @property
    def option(self) -> str:
        """What strace must be told: the call by its name, and by how many of that name there were since it was attached."""
        turn = (self.plan.before + self.plan.act[: self.index + 1]).count(self.name)
        return f"inject={self.name}:error={self.error}:when={turn}"

    def not_delivered(self, trace: Trace) -> str | None:
        """Say how the shot has missed, None: the kernel's answer to this very call was the error."""
        line = trace.lines[self.index] if len(trace.lines) > self.index else ""
        hit = re.search(rf"= -1 {self.error} .*\(INJECTED\)$", line)
        if trace.injected == [self.index] and trace.act[: self.index + 1] == self.plan.act[: self.index + 1] and hit:
            return None
        return f"the shot has missed: {trace.injected}, {line!r}"


def shots(kind: Kind, plan: Trace, long: bool) -> Iterator[Shot]:
    """All shots at one kind; what all writers have to bear, the controls as well, is EIO."""
    others = ERRORS[1:]
    for index, name in enumerate(plan.act):
        if name in MEMORY:
            errors: tuple[str, ...] = ("ENOMEM",)
        elif name in PRIVATE or name in SAFE:
            continue
        elif kind not in KINDS:
            errors = ERRORS[:1]
        else:
            errors = ERRORS if long else ("EIO", others[index % len(others)])
        for error in errors:
            yield Shot(kind, plan, index, error)


def seen(trace: Trace) -> list[Call]:
    """The calls of the act as the fault sweep knows them: named as in Python, the file of a descriptor by a number."""
    files: list[str] = []
    calls: list[Call] = []
    for name, line in zip(trace.act, trace.lines, strict=True):
        found = re.search(r"\(\d+<(.*?)>[,)]", line)
        inode = None
        if found is not None:
            if found[1] not in files:
                files.append(found[1])
            inode = 0, files.index(found[1])
        calls.append(Call(IN_PYTHON.get(name, name), inode))
    return calls


def flaws(shot: Shot, old: bytes | None, new: bytes | None, place: Path, report: dict[str, Any], trace: Trace) -> list[str]:
    """All that a shot that has hit has broken."""
    attack = Attack(shot.index + 1, getattr(errno, shot.error))
    attack.seen = seen(trace)
    attack.hit = attack.seen[shot.index]
    error = from_text(report["errors"][0]) if report["errors"] else None
    scene = shot.kind.enter(place)
    then = Reported(scene.directory, scene.path, scene.file, scene.act, from_text(report["stored"]), report["strangers"])
    witness = Witness(then, old, new)
    found = [*witness.wrong_bytes(attack, error), *witness.leftovers(attack)]
    # A call that strace answers is not made: a descriptor whose close() fails stays open, as it never does on Linux.
    if len(report["descriptors"]) > (shot.name == "close"):
        found.append(f"descriptors left behind: {report['descriptors']}")
    if shot.name not in MEMORY:
        found += witness.wrong_error(attack, error)
        # Python itself makes a call again that a signal has interrupted (PEP 475).
        if shot.error != "EINTR":
            found += witness.wrong_sync(attack, error)
    if report["again"] != "success":
        found.append(f"the next try fails, in the same program: {report['again']}")
    return [*found, *witness.no_way_on(scene)]


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
