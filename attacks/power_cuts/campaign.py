"""What is run, in which order and by how many processes."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import NamedTuple

from . import block_errors, rounds
from .block_errors import Sweep
from .kernel import enter_private_namespace, signal_when_parent_ends
from .results import Results
from .rounds import Round
from .states import Plan
from .stores import PERSISTENT
from .tally import Tally
from .writers import (
    FileSynced,
    InPlace,
    Library,
    NoDirectoryFsync,
    NoFsync,
    RetriedFsync,
    Sqlite,
    SqliteExtra,
    Unsynced,
)

LYING = "a disk that lies"
CONTROLS = (InPlace.name, NoFsync.name, NoDirectoryFsync.name, RetriedFsync.name, LYING)
WEAKER = FileSynced.name  # it promises less, and has to keep that: what has returned may be lost, and nothing else
OBSERVATIONS = (Unsynced.name, Sqlite.name, SqliteExtra.name)
ATTEMPTS = 5  # rounds in which a control must fail: whether the kernel is unlucky enough in the first is its own affair

# The library: every prefix of a short recording. The controls: some states of a long one.
EVERY = Plan(1.0, subsets=60, torn=60)
OPERATIONS = 8
SOME = Plan(0.12, subsets=20, torn=20)
OPERATIONS_OF_CONTROLS = 24
GUESS = 1000  # states of a round, until there was one


class Task(NamedTuple):
    """One piece of work for one process.

    Attributes:
        file_system: by name.
        title: under which its tally is added up: that of a control, or one of those of Results.
        run: does it.
    """

    file_system: str
    title: str
    run: Callable[[], Tally]


class Campaign:
    """All of it, on some file systems.

    Args:
        program: the compiled disk.c.
        file_systems: by name.
        results: where the tallies are added up.
        workers: how many processes. Most of the time each waits for the kernel, so more than there are processors.
        keep: a directory for images of disks on which the library has lost something; None: none is kept.
        tell: takes what becomes known, line by line.

    Attributes:
        found: the kinds of work, each as file system and title, in which violations were found by this run.
    """

    def __init__(
        self,
        program: Path,
        file_systems: list[str],
        results: Results,
        workers: int,
        keep: Path | None,
        tell: Callable[[str], None],
    ) -> None:
        self._program = program
        self._file_systems = file_systems
        self._results = results
        self._workers = workers
        self._keep = keep
        self._tell = tell
        self.found: set[tuple[str, str]] = set()

    def run(self, states: int, controls: int, observe: bool) -> None:
        """Run the controls, then the failing disk, then power cuts until each file system has had so many states.

        Args:
            states: those that could be mounted, with what the results hold already.
            controls: rounds of each control; more if it has not failed by then.
            observe: whether others are looked at as well: databases that promise the same, and the library without any sync.
        """
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(self._workers, context, _begin) as pool:
            try:
                self._controls(pool, controls, observe)
                self._drain(pool, list(self._sweeps()))
                self._power_cuts(pool, states)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _controls(self, pool: ProcessPoolExecutor, least: int, observe: bool) -> None:
        titles = [*CONTROLS, WEAKER, *(OBSERVATIONS if observe else ())]
        wanted = [(name, title) for name in self._file_systems for title in titles]
        for attempt in range(ATTEMPTS):
            self._drain(pool, [self._control(*each) for each in wanted for _ in range(1 if attempt else least)])
            wanted = [each for each in wanted if each[1] in CONTROLS and each not in self.found]

    def _control(self, name: str, title: str) -> Task:
        seed = self._results.next_seed(name, title)
        if title == RetriedFsync.name:
            sweep = Sweep(self._program, name, title, "large", seed, for_good=False)
            return Task(name, title, partial(block_errors.run, sweep))
        if title == LYING:
            work = Round(self._program, name, Library.name, seed, OPERATIONS, None)
        else:
            work = Round(self._program, name, title, seed, OPERATIONS_OF_CONTROLS, SOME)
        return Task(name, title, partial(rounds.run, work))

    def _sweeps(self) -> Iterator[Task]:
        for name in self._file_systems:
            for store in (*(store.name for store in PERSISTENT), "new-0"):
                for for_good in (False, True):
                    seed = self._results.next_seed(name, Results.BLOCK_ERRORS)
                    sweep = Sweep(self._program, name, Library.name, store, seed, for_good)
                    yield Task(name, Results.BLOCK_ERRORS, partial(block_errors.run, sweep))

    def _power_cuts(self, pool: ProcessPoolExecutor, states: int) -> None:
        """Keep as many rounds at work as are still needed."""
        running: dict[Future[Tally], Task] = {}
        while True:
            for name in self._file_systems:
                done = self._results.get(name, Results.POWER_CUTS)
                each = done.mounted / done.rounds if done.rounds else GUESS
                busy = sum(task.file_system == name for task in running.values())
                for _ in range(min(math.ceil((states - done.mounted) / each), self._workers) - busy):
                    task = self._round(name)
                    running[pool.submit(_work, task.run)] = task
            if not running:
                return
            self._take(running)

    def _round(self, name: str) -> Task:
        seed = self._results.next_seed(name, Results.POWER_CUTS)
        work = Round(self._program, name, Library.name, seed, OPERATIONS, EVERY, self._keep)
        return Task(name, Results.POWER_CUTS, partial(rounds.run, work))

    def _drain(self, pool: ProcessPoolExecutor, tasks: list[Task]) -> None:
        running = {pool.submit(_work, task.run): task for task in tasks}
        while running:
            self._take(running)

    def _take(self, running: dict[Future[Tally], Task]) -> None:
        """Wait for some work to be done, and add up what it has found."""
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            task = running.pop(future)
            tally = future.result()
            self._results.add(task.file_system, task.title, tally)
            if tally.violated:
                self.found.add((task.file_system, task.title))
            self._tell(f"{task.file_system}: {task.title}: {tally.summary()}")


class _Worker:
    """What a worker knows of itself."""

    busy = False
    leaving = False


def _begin() -> None:
    """Begin a worker: its mounts are its own, and it cleans up and ends when its parent does."""
    enter_private_namespace()
    signal.signal(signal.SIGTERM, _leave)
    signal_when_parent_ends(signal.SIGTERM)


def _leave(*_: object) -> None:
    _Worker.leaving = True
    if not _Worker.busy:
        os._exit(1)
    sys.exit(1)


def _work(run: Callable[[], Tally]) -> Tally:
    _Worker.busy = True
    try:
        return run()
    finally:
        _Worker.busy = False
        if _Worker.leaving:
            # Now, and not by an exception: the pool would take that for a result and hand this worker more. What could not
            # be cleaned up, since the signal came just after a mount, say, ends with the namespace.
            os._exit(1)
