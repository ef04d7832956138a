"""One round of power cuts: record a program at work on a new file system, then look at what crashes would leave of it."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from .disk import Disk
from .file_systems import FILE_SYSTEMS
from .history import History
from .neighbour import Neighbour
from .recording import until
from .states import CrashStates, Plan, State
from .tally import EXAMPLES, Tally
from .verdict import Bench, Unmountable
from .workload import Order
from .writers import WRITERS

LONGEST_DELAY = 0.004  # seconds, before each system call of a commit


class Round(NamedTuple):
    """One round.

    Attributes:
        program: the compiled disk.c.
        file_system, writer: by name.
        seed: of everything that is drawn. What the kernel writes, and when, is no matter of a seed.
        operations: how many commits and deletions are recorded.
        plan: which states are made of the log; None: a disk that lies, cut off after each operation.
        keep: a directory for images of disks on which something is wrong; None: none is kept.
    """

    program: Path
    file_system: str
    writer: str
    seed: str
    operations: int
    plan: Plan | None
    keep: Path | None = None


def run(task: Round) -> Tally:
    """Run one round."""
    begin = time.monotonic()
    tally = Tally(rounds=1)
    file_system, writer = FILE_SYSTEMS[task.file_system], WRITERS[task.writer]
    with Disk(task.program, file_system) as disk:
        bench = Bench(disk, file_system, writer)
        prepare(disk, bench, task.writer, task.seed)
        _record(disk, bench, task)
        records = until(disk.records(), "stop")
        disk.reset()
        history = History(records, {store.name: 1 for store in writer.stores})
        crash = CrashStates(records)
        tally.commits, tally.writes = history.ended("E"), len(crash.writes)
        rng = random.Random(f"{task.seed} states")
        states = crash.make(task.plan, rng) if task.plan else _lied_to(crash, history, rng)
        examine(disk, bench, crash, states, history, tally, f"{task.file_system}, seed {task.seed!r}", task.keep)
    tally.seconds = round(time.monotonic() - begin, 1)
    return tally


def prepare(disk: Disk, bench: Bench, writer: str, seed: str) -> None:
    """Fill the stores that exist before, and make that the state from which everything starts."""
    bench.mount()
    try:
        bench.place.mkdir()
        Order(str(bench.place), "", writer, 0, 0, seed).run()
    finally:
        bench.unmount()
    disk.keep()


def _lied_to(crash: CrashStates, history: History, rng: random.Random) -> Iterator[State]:
    """Make states that only a disk can be in that has lied about the last flush of an operation that had returned."""
    for end in history.ends:
        yield from crash.at(end, rng, lies=True)


def _record(disk: Disk, bench: Bench, task: Round) -> None:
    bench.mount()
    try:
        with Neighbour(disk.point / "neighbour", task.seed):
            Order(str(bench.place), str(disk.control), task.writer, task.operations, LONGEST_DELAY, task.seed).run()
            disk.mark("stop")
    finally:
        bench.unmount()


def examine(
    disk: Disk,
    bench: Bench,
    crash: CrashStates,
    states: Iterable[State],
    history: History,
    tally: Tally,
    where: str,
    keep: Path | None = None,
) -> None:
    """Put each state on the disk, look at it, and count; keep images of some on which something is wrong."""
    safe = 0
    for state in states:
        disk.put(crash.writes[safe : state.base], for_good=True)
        safe = max(safe, state.base)
        disk.put(state.pieces)
        expected = {name: history.expect(name, state.begun_by, state.ended_by) for name in history.stores}
        verdict = bench.judge(expected)
        disk.reset()
        tally.states[state.kind] += 1
        when = f"({where}, {state.kind} at {state.begun_by} of the log)"
        if isinstance(verdict, Unmountable):
            tally.unmountable[state.kind] += 1
            tally.tell(f"unmountable: {verdict.reason} {when}")
            continue
        tally.violate([f"{'creation' if found.is_new else 'replacement'}, {found.kind}" for found in verdict])
        for found in verdict:
            tally.tell(f"{found.kind}: {found.text} {when}")
        if verdict and keep and tally.violated <= EXAMPLES:
            disk.put(state.pieces)
            disk.save(keep / f"{when.strip('()').replace('/', '-')}.img")
            disk.reset()
