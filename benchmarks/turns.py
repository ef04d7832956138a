"""A contestant at work in a worker: made ready once, then commit after commit, or read after read."""

from __future__ import annotations

import os
import statistics
from pathlib import Path
from time import perf_counter
from typing import Any

from . import stores, values

MARK = "/mark of the benchmark"  # a path that is nowhere; asked for, it shows in strace's output
LARGE = 50_000_000  # bytes; such a value is not read back to be compared

_kept: stores.Kept
_value: dict[str, Any]
_count = {"commits": 1, "reads": 1}


def begin(name: str, directory: str, size: int, seconds: float) -> None:
    """Make contestant `name` ready in a directory, with a value of `size` bytes of JSON.

    Args:
        name: of the contestant.
        directory: where it keeps the value; made here.
        size: of the value, in bytes of JSON.
        seconds: how long one turn should take: so many commits it has, at least one.
    """
    global _kept, _value
    place = Path(directory)
    place.mkdir()
    _kept = {**stores.CONTESTANTS, **stores.SCALING}[name].make(place)
    _kept.commit(_kept.prepare({"turn": 0, "stations": []}))  # whatever only the first one pays
    _value = values.value_of(size)
    if size >= LARGE:
        return
    commits()
    assert _kept.read() == _value, f"{name} gives back another value"
    for turn, what in (("commits", commits), ("reads", reads)):
        _count[turn] = 3
        _count[turn] = max(1, min(100, int(seconds / what())))


def commits() -> float:
    """Commit some values, each another one; give the seconds of the median commit: one that was interrupted says nothing."""
    took = []
    for _ in range(_count["commits"]):
        _value["turn"] += 1
        value = _kept.prepare(_value)
        start = perf_counter()
        _kept.commit(value)
        took.append(perf_counter() - start)
    return statistics.median(took)


def reads() -> float:
    """Open and read some times; give the seconds of the median one."""
    took = []
    for _ in range(_count["reads"]):
        start = perf_counter()
        _kept.read()
        took.append(perf_counter() - start)
    return statistics.median(took)


def marked_commits(count: int) -> None:
    """Commit, with a mark before each one and after the last."""
    for _ in range(count):
        _value["turn"] += 1
        value = _kept.prepare(_value)
        os.access(MARK, os.F_OK)
        _kept.commit(value)
    os.access(MARK, os.F_OK)


def end() -> None:
    """Close what is kept."""
    _kept.close()
