"""What a store may do, as a machine of one value; and whether operations that overlap can be told as one history of it.

Every operation takes effect at one moment between its begin and its end (linearizability; Herlihy and Wing, 1990). One
loss is promised: a writer that takes no lock may come between the last look of one that does and its rename. So what a plain
commit or another program has written may be overwritten unseen, by a writer at work at the same time, and by no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

CORRUPT = "corrupt"
CAN_CONFLICT = ("append", "shared append", "shared update", "shared delete")


class State(NamedTuple):
    """What is stored: a tuple of items, None for nothing, CORRUPT.

    Attributes:
        value: now.
        unseen: what it was before each plain write that nobody has seen yet, with the operation that wrote.
        assigned: what another thread has assigned to the shared store, and no block has taken up yet.
        asides: what was set aside.
    """

    value: Any
    unseen: tuple[tuple[Any, int], ...] = ()
    assigned: Any = None
    asides: tuple[Any, ...] = ()


@dataclass
class Operation:
    """One operation of one actor.

    Attributes:
        kind: "write" (without a lock), "append" (reads and writes, with a remedy), "update", "read", "delete", "assign",
            "clean", "path" (an assignment of the path, then a read),
            "open" (with quarantine); with "shared" before, of the store that two threads use.
        item: what is written, appended, expected, or carried along.
        begin, end: when; of two moments the later one has the higher number.
        result: what came out: a value, or the name of an error.
        base: when it last read what it builds on, if that was before it began.
    """

    kind: str
    item: Any
    begin: int
    end: int
    result: Any
    base: int | None = None

    def conflicts(self, other: Operation) -> bool:
        """Return whether the other one may have changed what this one builds on."""
        return other.end >= (self.begin if self.base is None else self.base) and other.begin <= self.end

    def leaves_memory_as_stored(self) -> bool:
        """Return whether, where only such operations of one store are at work, its memory and the place agree in the end."""
        failed = isinstance(self.result, str) and self.result != "ok"
        return not failed and (self.kind == "clean" or self.kind.startswith("shared "))

    def overlaps(self, other: Operation) -> bool:
        """Return whether both were at work at some moment."""
        return self.begin <= other.end and other.begin <= self.end


def explained(operations: list[Operation], first: Any, last: Any, asides: tuple[Any, ...]) -> bool:
    """Return whether the operations, in some order, make `last` and the asides of `first`, with their results."""
    tried: set[tuple[frozenset[int], State]] = set()
    left = [(frozenset(range(len(operations))), State(first))]
    while left:
        open_, state = left.pop()
        if (open_, state) in tried:
            continue
        tried.add((open_, state))
        if not open_ and state.value == last and sorted(map(str, state.asides)) == sorted(map(str, asides)):
            return True
        for number in open_:
            operation = operations[number]
            if any(operations[other].end < operation.begin for other in open_):
                continue  # that one had ended before this one began
            left += [(open_ - {number}, after) for after in effects(number, operations, state)]
    return False


def effects(number: int, operations: list[Operation], state: State) -> Iterator[State]:
    """Yield the states that an operation may leave; none if it cannot have had its result now."""
    operation = operations[number]
    kind, item, result = operation.kind, operation.item, operation.result
    overlapping = any(each is not operation and each.overlaps(operation) for each in operations)
    # What it may take for the value: the value, or what a plain writer at work at the same time has just overwritten.
    seen = [state.value, *(value for value, writer in state.unseen if operations[writer].overlaps(operation))]
    if kind == "clean" or (result in ("LockError", "LockTimeout", "AtomicStoreError") and overlapping):
        yield state
    elif kind == "write" and result == "ok":
        yield state._replace(value=item, unseen=(*state.unseen, (state.value, number)))
    elif kind in CAN_CONFLICT and result == "ConflictError":
        # What was assigned builds on what the store had read before, long ago perhaps.
        took = kind == "shared append" and state.assigned is not None
        base = replace(operation, base=0) if took else operation
        if any(each is not operation and base.conflicts(each) for each in operations):
            yield state
    elif kind in ("append", "shared append", "shared update"):
        # A block takes up what was assigned to its store; update() and reload() drop it.
        taken = [state.assigned] if kind == "shared append" and state.assigned is not None else seen
        if kind == "shared append":  # a store that was just moved writes its value, whatever is there
            taken = [*taken, *(each.item for each in operations if each.kind == "shared path" and each.overlaps(operation))]
        for value in taken:
            if value != CORRUPT and (*(value or ()), item) == result:
                yield state._replace(value=result, unseen=(), assigned=state.assigned if kind == "append" else None)
    elif kind == "read" and state.value == result:
        yield state
    elif kind in ("shared read", "shared path") and state.value == result:
        yield state._replace(assigned=None)
    elif kind == "shared delete" and result == "ok":
        yield state._replace(value=None, unseen=(), assigned=None)
    elif kind == "delete" and result == "ok":
        yield state._replace(value=None, unseen=(*state.unseen, (state.value, number)))
    elif kind == "assign" and result == "ok":
        yield state._replace(assigned=item)
    elif kind == "open":
        others = [each.item for each in operations if each.overlaps(operation)]
        yield from _opened(state, seen, result, others)


def _opened(state: State, seen: list[Any], result: Any, others: list[Any]) -> Iterator[State]:
    """Yield what an open with on_corrupt="quarantine" may leave; `others` write meanwhile."""
    if state.value == result and state.value != CORRUPT:
        yield state
    if (result is None or result in others) and state.value == CORRUPT:
        # Then it reads again, and finds nothing, or what somebody else was about to write.
        yield state._replace(value=None, asides=(*state.asides, CORRUPT))
    if (result is None or result in others) and CORRUPT in seen and state.value != CORRUPT:
        # Renamed was what came in between. It went back, or stays beside; lost it is not.
        yield state
        yield state._replace(value=None, unseen=(), asides=(*state.asides, state.value))
