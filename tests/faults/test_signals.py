"""SIGINT and SIGTERM at random moments of commits of a large value, one after the other.

The moments are drawn from a seeded generator, but where they hit depends on the machine: what must hold, holds at all of
them. test_kill_sweep.py hits each system call; here signals also come between them, and in the middle of a write.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults import KINDS, Witness, is_one_temp, outcome
from victim import Victim

Record = Callable[[str, object], None]

SHOTS = 40
LONGEST = 0.05  # seconds between go and the signal: some commits of the large value
LARGE = next(kind for kind in KINDS if kind.name == "large value")


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    one = Victim()
    yield one
    one.close()


def shots(
    victim: Victim, directory: Path, number: signal.Signals, how: str, record: Record
) -> Iterator[tuple[Witness, int, dict[str, object]]]:
    """Shoot at a worker that commits without end; give what there was before, wait status and report."""
    old, new = outcome(LARGE, directory / "rehearsal")
    moments = random.Random(f"{number} {how}")
    for shot in range(SHOTS):
        place = directory / str(shot)
        LARGE.make(place)
        worker = victim.start(LARGE, place, how)
        victim.go()
        time.sleep(moments.uniform(0, LONGEST))
        os.kill(worker, number)
        status, report = victim.finish()
        yield Witness(LARGE.enter(place), old, new), status, report
    record(f"moments hit by {number.name}", SHOTS)


@pytest.mark.parametrize(
    ("number", "how", "ended"),
    [(signal.SIGINT, "always", "KeyboardInterrupt"), (signal.SIGTERM, "always, politely", "SystemExit")],
    ids=["Ctrl-C", "SIGTERM with a handler"],
)
def test_handled_signal_leaves_old_or_new_and_nothing_else(
    victim: Victim, number: signal.Signals, how: str, ended: str, tmp_path: Path, record_property: Record
) -> None:
    """A signal whose handler raises: old or new, whole; no temp, no descriptor; and the same store commits again."""
    for witness, status, report in shots(victim, tmp_path, number, how, record_property):
        assert (status, report) == (0, {"ended": ended, "descriptors": [], "strangers": [], "again": "success"})
        assert [*witness.torn_bytes(), *witness.no_way_on(witness.scene)] == []


def test_deadly_signal_leaves_old_or_new(victim: Victim, tmp_path: Path, record_property: Record) -> None:
    """A signal without a handler: old or new, whole; at most one temp; and the next program commits."""
    for witness, status, report in shots(victim, tmp_path, signal.SIGTERM, "always", record_property):
        assert (os.waitstatus_to_exitcode(status), report) == (-signal.SIGTERM, {})
        left = witness.scene.strangers()
        assert not left or is_one_temp(left)
        assert [*witness.torn_bytes(), *witness.no_way_on(witness.scene)] == []
