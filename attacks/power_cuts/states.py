"""What a disk may hold after the power was cut: the states that follow from a log.

All writes before the last flush are there. Of those after it, the disk may have kept any, in any order, and may have been
in the middle of one: then some of its sectors are new, and some old. A write counts as safe if the disk had answered it
before it answered the flush.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .recording import Flush, Record, Write

SHORT = 4  # writes: of an epoch that has no more, every subset is tried
TORN = (512, 4096)  # bytes: a sector, and a sector of newer disks or a page
KINDS = ("prefix", "subset", *(f"torn {unit}" for unit in TORN))


@dataclass(frozen=True)
class State:
    """One state of the disk.

    Attributes:
        kind: how it came about, one of KINDS.
        base: so many of the log's writes are there for certain.
        pieces: what is there of those after them, whole or in part.
        begun_by, ended_by: the first and the last position in the log at which the disk may have been in it.
    """

    kind: str
    base: int
    pieces: tuple[Write, ...]
    begun_by: int
    ended_by: int


class Epoch(NamedTuple):
    """The writes from one flush to the next.

    Attributes:
        first: so many writes were made, and are safe, when it began.
        last: so many were made when it ended.
    """

    first: int
    last: int


class Plan(NamedTuple):
    """How many states to make.

    Attributes:
        share: of the prefixes, and of the subsets of short epochs; 1.0: every one.
        subsets: so many more are drawn from longer epochs.
        torn: so many with a torn write.
    """

    share: float
    subsets: int
    torn: int


class CrashStates:
    """All states of one log that are worth a look.

    Args:
        records: the log.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self._positions = [position for position, record in enumerate(records) if isinstance(record, Write)]
        self.writes = [record for record in records if isinstance(record, Write)]
        self._end = len(records)
        self._flushes = list(_flushes(records))
        self.epochs = list(_epochs(records))

    def _lost_until(self, index: int) -> int:
        """Say from where on a write is no longer the last one that may be lost: there is another, or a flush."""
        flush = next((position for made, position in self._flushes if made > index), self._end)
        return min(self._next_write(index), flush)

    def _next_write(self, index: int) -> int:
        return self._positions[index + 1] if index + 1 < len(self._positions) else self._end

    def make(self, plan: Plan, rng: random.Random) -> Iterator[State]:
        """Give the states, none twice, those of an earlier base first."""
        draws = self._draw(plan, rng)
        for number, epoch in enumerate(self.epochs):
            seen: set[tuple[Write, ...]] = set()
            drawn = (self._random(kind, epoch, rng) for kind in draws[number])
            for state in (*self._every(epoch, plan.share, rng), *drawn):
                if state.pieces not in seen:
                    seen.add(state.pieces)
                    yield state

    def at(self, position: int, rng: random.Random, lies: bool = False) -> Iterator[State]:
        """Give states for a cut at one position of the log: all that was written, only what was safe, and some of it.

        A disk that lies has taken the last flush, if there was anything to flush, for none.
        """
        count = sum(write < position for write in self._positions)
        flushed = sorted({0, *(made for made, flush in self._flushes if flush < position)})
        safe = flushed[-2 if lies and len(flushed) > 1 else -1]
        some = [safe + index for index in _drop(count - safe, rng)] if count > safe else []
        # A dictionary, for they may be the same.
        kept = {(*range(safe, count),): "prefix"}
        for indexes in ((), (*some,)):
            kept.setdefault(indexes, "subset")
        for indexes, kind in kept.items():
            pieces = tuple(self.writes[index] for index in (*range(safe), *indexes))
            yield State(kind, 0, pieces, position, position)

    def _draw(self, plan: Plan, rng: random.Random) -> list[list[str]]:
        """Share out the random states among the epochs, by their number of writes."""
        draws: list[list[str]] = [[] for _ in self.epochs]
        for kinds, count, least in ((("subset",), plan.subsets, SHORT + 1), (KINDS[2:], plan.torn, 1)):
            weights = [size if (size := epoch.last - epoch.first) >= least else 0 for epoch in self.epochs]
            if any(weights):
                for number in rng.choices(range(len(weights)), weights, k=count):
                    draws[number].append(rng.choice(kinds))
        return draws

    def _every(self, epoch: Epoch, share: float, rng: random.Random) -> Iterator[State]:
        """Make the states of which every one is made, or a share of them."""
        pending = self.writes[epoch.first : epoch.last]
        # None of it is the last prefix of the epoch before.
        for count in range(1 if epoch.first else 0, len(pending) + 1):
            if rng.random() < share:
                yield self._prefix(epoch, count)
        if not 2 <= len(pending) <= SHORT:
            return
        for bits in range(1, 1 << len(pending)):
            if bits & bits + 1 and rng.random() < share:  # not a prefix: 1, 11, 111
                kept = [write for index, write in enumerate(pending) if bits >> index & 1]
                yield self._partial("subset", epoch, len(pending), tuple(kept))

    def _prefix(self, epoch: Epoch, count: int) -> State:
        pieces = tuple(self.writes[epoch.first : epoch.first + count])
        index = epoch.first + count - 1  # of the last write that is there
        begun_by = self._positions[index] if index >= 0 else -1
        # Whatever lies between two writes, flushes included, changes nothing about it.
        return State("prefix", epoch.first, pieces, begun_by, self._next_write(index) - 1)

    def _partial(self, kind: str, epoch: Epoch, count: int, pieces: tuple[Write, ...]) -> State:
        """Cut the power after `count` writes of the epoch, of which only these pieces are there."""
        index = epoch.first + count - 1
        return State(kind, epoch.first, pieces, self._positions[index], self._lost_until(index) - 1)

    def _random(self, kind: str, epoch: Epoch, rng: random.Random) -> State:
        pending = self.writes[epoch.first : epoch.last]
        count = rng.randint(1, len(pending))
        if kind == "subset":
            return self._partial(kind, epoch, count, tuple(pending[index] for index in _drop(count, rng)))
        unit = int(kind.split()[1])
        large = [index for index in range(count) if len(pending[index].data) > unit]
        kept = set(range(count)) if rng.random() < 0.5 else set(_drop(count, rng))
        torn = {rng.choice(large)} if large else set()
        if rng.random() < 0.5:
            torn |= {index for index in large if rng.random() < 0.5}
        pieces: list[Write] = []
        for index in sorted(kept | torn):
            pieces += _tear(pending[index], unit, rng) if index in torn else [pending[index]]
        return self._partial(kind, epoch, count, tuple(pieces))


def _flushes(records: Sequence[Record]) -> Iterator[tuple[int, int]]:
    """Give, of each flush, how many writes were made before it, and its position."""
    count = 0
    for position, record in enumerate(records):
        if isinstance(record, Write):
            count += 1
        elif isinstance(record, Flush):
            yield count, position


def _epochs(records: Sequence[Record]) -> Iterator[Epoch]:
    first = 0
    for count, _ in _flushes(records):
        if count > first:
            yield Epoch(first, count)
            first = count
    yield Epoch(first, sum(isinstance(record, Write) for record in records))


def _drop(count: int, rng: random.Random) -> list[int]:
    """Choose which of so many writes are kept: all but one, one only, or each with some probability."""
    how = rng.choice(("all but one", "one", 0.1, 0.5, 0.9))
    one = rng.randrange(count)
    if how == "all but one":
        return [index for index in range(count) if index != one]
    if how == "one":
        return [one]
    return [index for index in range(count) if rng.random() < float(how)]


def _tear(write: Write, unit: int, rng: random.Random) -> list[Write]:
    """Keep some of a write's units, but neither all nor none: the first ones, the last ones, or any."""
    units = range(0, len(write.data), unit)
    cut = rng.randint(1, len(units) - 1)
    how = rng.choice(("first", "last", "any"))
    if how == "any":
        kept = sorted(rng.sample(units, cut))
    else:
        kept = list(units[:cut] if how == "first" else units[cut:])
    return [Write(write.offset + start, write.data[start : start + unit]) for start in kept]
