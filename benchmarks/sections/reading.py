"""Open what is kept and read the value, as a program that starts does; without its imports: startup.py has them."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from ..stores import BASE, CONTESTANTS
from ..tables import NONE, Table, failed_rows, figure
from .commit import race, ratios

if TYPE_CHECKING:
    from ..bench import Bench


def run(bench: Bench) -> dict[str, Any]:
    """Race everybody with 1 KB and 100 KB, on tmpfs: what was just written is read from memory anywhere."""
    return {
        label: race(bench, "tmpfs", size, "turns.reads", bench.rounds(41))
        for label, size in bench.pick({"1 KB": 1_000, "100 KB": 100_000}, {"1 KB": 1_000}).items()
    }


def tables(data: dict[str, Any]) -> list[Table]:
    """Show ratios and times."""
    found = {label: ratios(race) for label, race in data.items()}
    head = ["contestant", *(f"{label}, x" for label in data), *(f"{label}, us" for label in data), "remarks"]
    rows = []
    for name, contestant in CONTESTANTS.items():
        if not any(name in ratios for ratios in found.values()):
            continue
        times = [race["rounds"].get(name) for race in data.values()]
        rows.append(
            [
                name,
                *(figure(found[label].get(name)) for label in data),
                *(figure(1e6 * statistics.median(took), 0) if took else NONE for took in times),
                contestant.note if name not in ("floor, bytes ready", BASE) else "open, fstat, read, close, json.loads()",
            ]
        )
    failed = [race["failed"] for race in data.values()]
    return [Table("reading", head, rows + failed_rows(head, *failed), f"x: ratio to {BASE} in the same round.")]
