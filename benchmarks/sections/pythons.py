"""One durable commit of JSON on each Python: from 3.12 on the garbage collector and the encoder are others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..bench import ratio
from ..environments import PYTHONS
from ..stores import BASE, OURS
from ..tables import NONE, Table, figure

if TYPE_CHECKING:
    from pathlib import Path

    from ..bench import Bench, Worker

SIZES = {"100 KB": 100_000, "1 MB": 1_000_000, "3 MB": 3_000_000, "10 MB": 10_000_000}


def run(bench: Bench) -> dict[str, Any]:
    """Race the store and the floor, of each Python, at each size."""
    result: dict[str, Any] = {}
    names = {f"{name}, {version}": where for version, where in PYTHONS.items() for name in (BASE, OURS)}
    for label, size in bench.pick(SIZES, {"100 KB": 100_000}).items():
        bench.say(f"  {label}")
        with bench.directory("disk") as directory:

            def begin(worker: Worker, name: str, directory: Path = directory, size: int = size) -> None:
                own = str(directory / re.sub(r"\W", "-", name))
                plain = name.rpartition(", ")[0]
                worker.call("turns.begin", name=plain, directory=own, size=size, seconds=bench.pick(0.05, 0.001))

            result[label] = bench.race(names, bench.rounds(41 if size < 10_000_000 else 21), begin, "turns.commits")
    return result


def ratio_of(data: dict[str, Any], label: str, version: str) -> float | None:
    """Give the ratio of the store to the floor on the same Python; None: one of them was not run."""
    rounds = data[label]["rounds"]
    mine, base = rounds.get(f"{OURS}, {version}"), rounds.get(f"{BASE}, {version}")
    return ratio(mine, base) if mine and base else None


def tables(data: dict[str, Any]) -> list[Table]:
    """Show the ratios."""
    rows = []
    for version in PYTHONS:
        found = [ratio_of(data, label, version) for label in data]
        why = "; ".join(sorted({f"{name}: {why}" for race in data.values() for name, why in race["failed"].items()}))
        rows.append([version, *(NONE if each is None else figure(each) for each in found), why if None in found else ""])
    return [Table("pythons", ["Python", *data, "remarks"], rows, f"atomic_store's ratio to {BASE} in the same round, disk.")]
