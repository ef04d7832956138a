"""Let the first, the second ... write or flush of a commit fail, until it needs no more of them; then the power goes.

The commit may return, in spite of the error or since the error came later: then its value must outlast the power cut. It may
raise: then the old value must. Whichever it is, the program commits once more, to a disk that has recovered or is dead.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from .disk import Disk
from .file_systems import FILE_SYSTEMS
from .history import History
from .kernel import sync_file_system
from .recording import Failure, Record, Write, until
from .rounds import examine, prepare
from .states import CrashStates
from .tally import SWALLOWED, Tally
from .verdict import Bench, store_named
from .workload import Marks
from .writers import WRITERS

MOST = 1_000  # writes and flushes; a commit that needs more does not end


class Sweep(NamedTuple):
    """One sweep, over one kind of commit.

    Attributes:
        program: the compiled disk.c.
        file_system, writer: by name.
        store: the kind of commit, by the store's name; `new-0` is a first creation.
        seed: of everything that is drawn.
        for_good: whether the disk is dead from the failure on; else it fails once.
    """

    program: Path
    file_system: str
    writer: str
    store: str
    seed: str
    for_good: bool


class Syncs:
    """Watches what fsync(2) says to this process."""

    def __init__(self) -> None:
        self.failed = 0
        self._fsync = os.fsync

    def __call__(self, descriptor: Any) -> None:
        """Sync, and count a failure."""
        try:
            self._fsync(descriptor)
        except OSError:
            self.failed += 1
            raise


@contextmanager
def watched() -> Iterator[Syncs]:
    """Stand between this process and fsync(2)."""
    syncs = Syncs()
    # atomicwrites has taken os.fsync at its import.
    with mock.patch.object(os, "fsync", syncs):
        yield syncs


# This one is deleted before, for it is its creation that is of interest.
CREATED_BY_LINK = "deleted-compared"
OUTCOMES = {"E": "returned", "U": "uncertain", "F": "raised"}


def run(sweep: Sweep) -> Tally:
    """Run one sweep."""
    begin = time.monotonic()
    tally = Tally(rounds=1)
    file_system = FILE_SYSTEMS[sweep.file_system]
    with Disk(sweep.program, file_system) as disk:
        bench = Bench(disk, file_system, WRITERS[sweep.writer])
        prepare(disk, bench, sweep.writer, sweep.seed)
        for number in itertools.count(1):
            failed_syncs = _attempt(disk, bench, sweep, number)
            records = until(disk.records(), "stop")
            disk.reset()
            if not any(isinstance(record, Failure) for record in records):
                break
            if number == MOST:
                raise RuntimeError(f"a commit should need fewer than {MOST} writes and flushes: {sweep}")
            outcome = _look(disk, bench, sweep, number, records, tally)
            if failed_syncs and outcome == "E":
                tally.violations[SWALLOWED] += 1
                tally.tell(f"{SWALLOWED}: {sweep.store}, write or flush {number}")
    tally.seconds = round(time.monotonic() - begin, 1)
    return tally


def _attempt(disk: Disk, bench: Bench, sweep: Sweep, number: int) -> int:
    """Let one commit meet the failure, and another one follow; say how many fsyncs of the first have failed."""
    store = store_named(sweep.store)
    bench.mount()
    try:
        with watched() as syncs:
            writer = bench.kind(bench.place)
            marks = Marks(disk.mark)
            if sweep.store == CREATED_BY_LINK:
                marks.around(writer, store, 2, deletes=True)
            sync_file_system(str(bench.place))
            disk.fail(number, sweep.for_good)
            marks.around(writer, store, 3, deletes=store.deletes and sweep.store != CREATED_BY_LINK)
            failed_syncs = syncs.failed
            if any(isinstance(record, Failure) for record in disk.records()):
                if not sweep.for_good:
                    disk.heal()
                marks.around(writer, store, 4)
            disk.mark("stop")
    finally:
        disk.heal()
        bench.unmount()
    return failed_syncs


def _look(disk: Disk, bench: Bench, sweep: Sweep, number: int, records: list[Record], tally: Tally) -> str:
    """Cut the power after the commit that has met the failure, and after the one that followed; give the first's outcome."""
    history = History(records, {store.name: 1 for store in bench.kind.stores})
    crash = CrashStates(records)
    rng = random.Random(f"{sweep.seed} {number}")
    failure = next(position for position, record in enumerate(records) if isinstance(record, Failure))
    met = next(each for each in history.operations[sweep.store] if each.ended is not None and each.ended > failure)
    tally.outcomes[OUTCOMES[met.outcome]] += 1
    first, last = met.ended or 0, history.ends[-1]
    if not any(isinstance(record, Write) for record in records[first:last]):
        first = last  # the disk did not change any more
    states = (state for end in sorted({first, last}) for state in crash.at(end, rng))
    mode = "for good" if sweep.for_good else "once"
    where = f"{sweep.file_system}, {sweep.store}, write or flush {number} failed {mode}"
    examine(disk, bench, crash, states, history, tally, where)
    return met.outcome
