"""A stranger attacks a store in a directory like /tmp while its user commits: python -m attacks.two_users.

Two programs of the stranger plant links, pipes, hard links, directories and files of their own, under every name that the
library uses there: the file itself, its lock file, the temps of the next commits (whose names they are told
beforehand) and what corrupt files are set aside as. They take them away again at once, lock them, and try to exchange
what the user has made. The user, first somebody like the stranger and then root, opens, commits, updates and deletes.

Nothing outside the directory is ever changed, nothing of it gets into the store, nothing hangs, each error names the path,
and no temp is left. Controls: a program that follows the link to see where to put its temp changes a file outside, and
one that simply opens the path hangs.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import pkgutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from machine import ALICE, BOB, User

import atomic_store

from ..record import record
from .ground import ground
from .stranger import Stranger
from .victims import HANGS_AFTER, PlainOpen, ThroughTheLink, Victim

ROOT = User(0, 0)
STRANGERS = 2
ROUNDS = 10
"""How often an attack is made at most until it has met all that it must meet: a step's ending is a matter of chance."""
LONG = 60  # seconds; a run that is shorter leaves the figures of the last long one alone


def load_all() -> None:
    """Load all of the library now: whoever has given up root may not be able to read its files."""
    for module in pkgutil.walk_packages(atomic_store.__path__, "atomic_store."):
        # The one is the program; the others want what is not installed, and nobody uses them here.
        if not module.name.endswith(".__main__"):
            with suppress(ModuleNotFoundError, atomic_store.MissingLibraryError):
                importlib.import_module(module.name)


def become(user: User) -> None:
    """Become somebody for good."""
    os.setgroups(user.groups)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)


@dataclass
class Outcome:
    """What an attack has come to.

    Attributes:
        endings: for each step how often it ended how.
        planted: what the strangers have planted, and how often.
        violations: what must not be.
        rounds: how often the attack was made.
    """

    endings: dict[str, Counter[str]] = field(default_factory=dict)
    planted: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    rounds: int = 0

    def add(self, other: Outcome) -> None:
        """Count what another attack has come to as well."""
        for name, endings in other.endings.items():
            self.endings.setdefault(name, Counter()).update(endings)
        self.planted.update(other.planted)
        self.violations += other.violations
        self.rounds += 1


def in_process(work: Callable[[Connection], None], user: User) -> tuple[Any, Connection]:
    """Start `work` in a process of its own, as somebody else; give it, and the end of the pipe that it tells its result."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def run() -> None:
        become(user)
        work(theirs)

    process = context.Process(target=run)
    process.start()
    theirs.close()
    return process, ours


def attack(user: User, victim: type[Victim], seconds: float, enough: Callable[[Outcome], bool]) -> Outcome:
    """Attack a victim for some seconds, and again, in a new place, until that is enough or ROUNDS are over."""
    outcome = Outcome()
    for _ in range(ROUNDS):
        outcome.add(attack_once(user, victim, seconds))
        if enough(outcome):
            break
    return outcome


def attack_once(user: User, victim: type[Victim], seconds: float) -> Outcome:
    """Let a victim work and the strangers attack, for some seconds."""
    outcome = Outcome()
    with ground(user) as where:
        before = where.outside()
        end = time.monotonic() + seconds

        def be_stranger(seed: int) -> Callable[[Connection], None]:
            def work(pipe: Connection) -> None:
                stranger = Stranger(where, seed)
                stranger.attack(end)
                pipe.send(stranger.planted)

            return work

        def be_victim(pipe: Connection) -> None:
            one = victim(where)
            one.work(end)
            pipe.send((one.endings, one.violations))

        processes = [in_process(be_stranger(seed), BOB) for seed in range(STRANGERS)]
        processes.append(in_process(be_victim, user))
        results: list[Any] = []
        for process, pipe in processes:
            # What the victim's own alarm does not end has swallowed it, and hangs for good.
            if pipe.poll(seconds + 2 * HANGS_AFTER):
                try:
                    results.append(pipe.recv())
                except EOFError:
                    outcome.violations.append(f"a program has died: {process.exitcode}")
            else:
                outcome.violations.append("a program hangs for good")
                process.kill()
            process.join()
        if len(results) == len(processes):
            *plantings, (outcome.endings, found) = results
            outcome.violations += found
            for planted in plantings:
                outcome.planted.update(planted)
        after = where.outside()
        if after != before:
            outcome.violations.append(f"changed outside: {before} became {after}")
        temps = [
            name
            for name in os.listdir(where.directory)
            if name.endswith(".tmp")
            and (where.directory / name).lstat().st_uid == user.uid
            and not (where.directory / name).samefile(where.secret)  # a link that the stranger cannot take away again
        ]
        if temps:
            outcome.violations.append(f"temps left behind: {temps}")
    return outcome


def shortcomings(outcome: Outcome) -> list[str]:
    """What shows that the attack was none: steps that never went through, and plants that met nobody."""
    found = [f"{name} never went through" for name, endings in outcome.endings.items() if not endings["success"]]
    found += [f"{name} was never tried" for name in Victim.STEPS if name not in outcome.endings]
    met = Counter[str]()
    for endings in outcome.endings.values():
        met.update(endings)
    # No FileExistsError: a temp file whose name is planted takes another one.
    found += [f"no step met a {name}" for name in ("PermissionError", "LockError") if not met[name]]
    return found


def met_all(outcome: Outcome) -> bool:
    """Return whether the attack need not go on: it was one, or it has found something."""
    return bool(outcome.violations) or not shortcomings(outcome)


def shows(sign: str) -> Callable[[Outcome], bool]:
    """Return what tells whether a violation with this sign was found."""
    return lambda outcome: any(sign in violation for violation in outcome.violations)


def main() -> int:
    """Run; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m attacks.two_users", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="for how long in each round (default: %(default)s)")
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        print("needs root to become two other users")
        return 2

    load_all()
    begun = time.monotonic()
    failures: list[str] = []
    figures: dict[str, object] = {}
    for name, user in (("a user", ALICE), ("root", ROOT)):
        outcome = attack(user, Victim, chosen.seconds, met_all)
        found = outcome.violations + [f"no attack: {each}" for each in shortcomings(outcome)]
        failures += found
        steps = sum(sum(endings.values()) for endings in outcome.endings.values())
        print(f"against {name}, in {outcome.rounds} rounds: {steps} steps, {sum(outcome.planted.values())} things planted:")
        print(f"    {dict(outcome.planted)}")
        for step, endings in sorted(outcome.endings.items()):
            print(f"    {step:<30} {dict(endings)}")
        print(*(f"    VIOLATION {each}\n" for each in found[:20]), sep="", end="", flush=True)
        figures[name] = {"steps": outcome.endings, "planted": outcome.planted, "violations": found, "rounds": outcome.rounds}
    for control, sign in ((ThroughTheLink, "changed outside"), (PlainOpen, "hangs")):
        seen = [each for each in attack(ALICE, control, 3, shows(sign)).violations if sign in each]
        print(f"control {control.__name__}: {seen[0][:150] if seen else 'NOT FOUND OUT'}", flush=True)
        figures[f"control {control.__name__}"] = bool(seen)
        if not seen:
            failures.append(f"CONTROL: {control.__name__} was not found out")
    print(f"{len(failures)} violations")
    name = "two_users" if chosen.seconds >= LONG else "two_users-short"
    path = record(name, begun, seconds_against_each=chosen.seconds, violations=failures, figures=figures)
    print(f"{time.monotonic() - begun:.0f} seconds; {path}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
