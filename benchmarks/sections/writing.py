"""Many small writes to the file of atomic_write(), beside open("wb")."""

from __future__ import annotations

import statistics
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..bench import ratio
from ..tables import Table, failed_rows, figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..bench import Bench, Worker

PIECE = b"0123456789"
OPEN, OURS = 'open("wb")', "atomic_write"

_write: Callable[[], None]
_count = 0


def begin(name: str, path: str, count: int) -> None:
    """Make a way to write ready, in a worker."""
    global _write, _count
    _count = count
    _write = {OPEN: lambda: _by_open(Path(path)), OURS: lambda: _by_atomic_write(Path(path))}[name]
    _write()


def _by_open(path: Path) -> None:
    with path.open("wb") as file:
        for _ in range(_count):
            file.write(PIECE)


def _by_atomic_write(path: Path) -> None:
    with import_module("atomic_store").atomic_write(path) as file:
        for _ in range(_count):
            file.write(PIECE)


def turn() -> float:
    """Write the file once; give the seconds of one piece."""
    start = perf_counter()
    _write()
    return (perf_counter() - start) / _count


def run(bench: Bench) -> dict[str, Any]:
    """Let both take turns on tmpfs, with so many pieces that what a commit costs by itself is nothing beside them."""
    count = bench.pick(200_000, 1_000)
    with bench.directory("tmpfs") as directory:

        def ready(worker: Worker, name: str) -> None:
            path = str(directory / ("ours" if name == OURS else "plain"))
            worker.call("sections.writing.begin", name=name, path=path, count=count)

        found = bench.race(dict.fromkeys((OPEN, OURS), "peers"), bench.rounds(21), ready, "sections.writing.turn")
    return {"pieces": count, **found}


def ratio_of(data: dict[str, Any]) -> float | None:
    """Give the ratio of atomic_write() to open(); None: one of them was not run."""
    rounds = data["rounds"]
    return ratio(rounds[OURS], rounds[OPEN]) if {OURS, OPEN} <= rounds.keys() else None


def tables(data: dict[str, Any]) -> list[Table]:
    """Show both."""
    head = ["way", "ns a piece", "x", "remarks"]
    rows = [
        [name, figure(1e9 * statistics.median(took), 0), figure(1.0 if name == OPEN else ratio_of(data)), ""]
        for name, took in data["rounds"].items()
    ]
    note = f"{data['pieces']:,} writes of {len(PIECE)} bytes to one file on tmpfs; opening and the commit are in it."
    return [Table("writing", head, rows + failed_rows(head, data["failed"]), note)]
