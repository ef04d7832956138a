"""One durable commit of 1 KB to 1 GB: what grows, and with what."""

from __future__ import annotations

import re
import statistics
from typing import TYPE_CHECKING, Any

from ..bench import ratio, rotations
from ..stores import BASE, SCALING
from ..tables import NONE, Table, failed_rows, figure

if TYPE_CHECKING:
    from pathlib import Path

    from ..bench import Bench, Worker

SIZES = {"1 KB": 1_000, "10 KB": 10_000, "100 KB": 100_000, "1 MB": 1_000_000, "10 MB": 10_000_000}
LARGE_SIZES = {"100 MB": 100_000_000, "1 GB": 1_000_000_000}
BYTES = SIZES | LARGE_SIZES
SMALLER = {  # what cannot hold 1 GB, or would not be comparable there, and why
    "sqlite3 WAL FULL": "SQLite's own limit for one value",
    "atomic_store pickle": "pickle keeps records that are the same object once",
    "floor + pickle": "pickle keeps records that are the same object once",
}


def run(bench: Bench) -> dict[str, Any]:
    """Race small sizes in workers that stay; commit large ones in a fresh process each, one at a time, for the memory."""
    result: dict[str, Any] = {}
    for label, size in bench.pick(SIZES, {"1 KB": 1_000, "100 KB": 100_000}).items():
        bench.say(f"  {label}")
        rounds = bench.rounds(21 if size < 1_000_000 else 11)
        with bench.directory("disk") as directory:

            def begin(worker: Worker, name: str, directory: Path = directory, size: int = size) -> None:
                own = str(directory / re.sub(r"\W", "-", name))
                worker.call("turns.begin", name=name, directory=own, size=size, seconds=bench.pick(0.03, 0.001))

            environments = {name: contestant.environment for name, contestant in SCALING.items()}
            result[label] = bench.race(environments, rounds, begin, "turns.commits")
    for label, size in bench.pick(LARGE_SIZES, {"1 MB": 1_000_000}).items():
        bench.say(f"  {label}")
        names = [name for name in SCALING if size < 1_000_000_000 or name not in SMALLER]
        result[label] = one_at_a_time(bench, names, size, bench.rounds(5 if size < 1_000_000_000 else 3))
    return result


def one_at_a_time(bench: Bench, names: list[str], size: int, rounds: int) -> dict[str, Any]:
    """Let contestants take turns, each turn in a process of its own."""
    found: dict[str, list[float]] = {}
    failed: dict[str, str] = {}
    for order in rotations(names, rounds):
        for name in order:

            def turn(name: str = name) -> Any:
                with bench.directory("disk") as directory, bench.worker(SCALING[name].environment) as worker:
                    # begin() has committed once; a turn is one commit more, for so large a value is not calibrated.
                    worker.call("turns.begin", name=name, directory=str(directory / "own"), size=size, seconds=0)
                    return worker.call("turns.commits")

            took = None if name in failed else bench.attempt(failed, name, turn)
            if took is not None:
                found.setdefault(name, []).append(took)
    return {"rounds": {name: took for name, took in found.items() if name not in failed}, "failed": failed}


def tables(data: dict[str, Any]) -> list[Table]:
    """Show ratios, then times and the nanoseconds of one byte."""
    head = ["contestant", *data, "remarks"]
    relative, absolute = [], []
    for name, contestant in SCALING.items():
        took = [race["rounds"].get(name) for race in data.values()]
        base = [race["rounds"].get(BASE) for race in data.values()]
        if not any(took):
            continue
        pairs = zip(took, base, strict=True)
        ratios = [figure(ratio(mine, its)) if mine and its else NONE for mine, its in pairs]
        relative.append([name, *ratios, contestant.note])
        times = zip(took, data, strict=True)
        cells = [_time(statistics.median(mine), BYTES[label]) if mine else NONE for mine, label in times]
        absolute.append([name, *cells, f"not at 1 GB: {SMALLER[name]}" if name in SMALLER else ""])
    failed = failed_rows(head, *(race["failed"] for race in data.values()))
    return [
        Table("scaling", head, relative + failed, f"Ratio to {BASE} in the same round."),
        Table("scaling, times", head, absolute + failed, "ms, and in brackets ns for each byte of the JSON text."),
    ]


def _time(seconds: float, size: int) -> str:
    return f"{figure(1000 * seconds, 2 if seconds < 0.1 else 0)} ({figure(1e9 * seconds / size, 1)})"
