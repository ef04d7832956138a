"""What a program did to each store, by the marks in the log, and so what may be found after a crash at some point of it.

The marks, each of a few words: `B STORE NUMBER STATE` before an operation begins, STATE being the number of the value that
it writes or `-` for none; then how it ended: `E STORE NUMBER` it returned, `U` with UncertainCommitError, `F` with another
error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .recording import Mark, Record

State = int | None  # the number of the value that is stored; None: nothing is


@dataclass
class Operation:
    """One commit or deletion.

    Attributes:
        number: counts the operations of a store.
        state: what is stored after it.
        begun: the position of its first mark in the log.
        ended: the position of its last mark; None: it was still at work.
        outcome: E, U or F; empty: none yet.
    """

    number: int
    state: State
    begun: int
    ended: int | None = None
    outcome: str = ""


@dataclass(frozen=True)
class Expectation:
    """What may be found in one store.

    Attributes:
        allowed: the states, any of which is right.
        past: the states that were right at an earlier time.
        busy: whether an operation was at work.
    """

    allowed: frozenset[State]
    past: frozenset[State]
    busy: bool


class History:
    """All operations on all stores in one recording.

    Args:
        records: the log.
        initial: what was in each store when it began; a store that is missing here held nothing.
    """

    def __init__(self, records: Iterable[Record], initial: Mapping[str, State]) -> None:
        self.initial = dict(initial)
        self.operations: dict[str, list[Operation]] = {name: [] for name in initial}
        for position, record in enumerate(records):
            if isinstance(record, Mark):
                self._take(position, record.text.split())

    def _take(self, position: int, words: list[str]) -> None:
        match words:
            case ["B", name, number, state]:
                operation = Operation(int(number), None if state == "-" else int(state), position)
                self.operations.setdefault(name, []).append(operation)
            case [("E" | "U" | "F") as outcome, name, number]:
                operation = self.operations[name][-1]
                if operation.number != int(number) or operation.outcome:
                    raise ValueError(f"a mark should end the operation that began last, and ends another: {' '.join(words)}")
                operation.ended, operation.outcome = position, outcome
            case _:
                raise ValueError(f"a mark should be of the workload, and is {' '.join(words)!r}")

    def expect(self, name: str, begun_by: int, ended_by: int) -> Expectation:
        """Say what a store may hold if the power goes at some point of the log.

        Two positions, since one state of the disk stands for all points from one write to the next: the strictest is that
        an operation counts as begun only if it was at the first of them, and as ended if it was at the last.

        An operation that returned must have its effect. One that raised must have none. One at work, or with an
        uncertain end, may have it.
        """
        allowed: set[State] = {self.initial.get(name)}
        past: set[State] = set()
        busy = False
        for operation in self.operations.get(name, ()):
            if operation.begun > begun_by:
                break
            over = operation.ended is not None and operation.ended <= ended_by
            if operation.outcome == "F":
                busy = not over
            elif over and operation.outcome == "E":
                past |= allowed
                allowed, busy = {operation.state}, False
            else:
                allowed.add(operation.state)
                busy = not over
        return Expectation(frozenset(allowed), frozenset(past), busy)

    @property
    def stores(self) -> list[str]:
        """The names of all stores."""
        return list(self.operations)

    @property
    def ends(self) -> list[int]:
        """The positions at which operations ended."""
        ends = (operation.ended for operations in self.operations.values() for operation in operations)
        return sorted(end for end in ends if end is not None)

    def ended(self, outcome: str) -> int:
        """Say how many operations ended in this way."""
        return sum(operation.outcome == outcome for operations in self.operations.values() for operation in operations)
