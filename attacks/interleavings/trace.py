"""What depends on what: two runs that differ only in the order of steps that do not touch the same things end alike.

Such runs are one trace (Mazurkiewicz, 1977). A trace is told by its events, each with those that it depends on. So two
prefixes with the same events lead to the same state, and what follows need be explored from one of them alone (Musuvathi and
Qadeer, "Partial-order reduction for context-bounded state exploration", 2007). That holds as long as each actor is a
function of what it has seen, and each step tells all it touches: a step that does not know touches EVERYTHING.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

EVERYTHING = "everything"


class Touched:
    """What a step looks at and what it changes, by names of any kind. Two that only look at a thing may change places."""

    def __init__(self, seen: Iterable[Hashable] = (), changed: Iterable[Hashable] = ()) -> None:
        self.seen = set(seen)
        self.changed = set(changed)

    def add(self, other: Touched) -> None:
        """Add what another step touches."""
        self.seen |= other.seen
        self.changed |= other.changed

    def depends_on(self, other: Touched) -> bool:
        """Return whether the two steps may not change places."""
        return self._meets(other) or other._meets(self)

    def _meets(self, other: Touched) -> bool:
        touched = other.seen | other.changed
        return bool(touched if EVERYTHING in self.changed else self.changed & touched)


NOTHING = Touched()
ALL = Touched(changed=(EVERYTHING,))


class Trace:
    """The steps so far, as a partial order.

    Args:
        actors: how many act.

    Attributes:
        signature: a number, the same for all orders of independent steps, and for no other steps.
    """

    def __init__(self, actors: int) -> None:
        self.signature = 0
        self._clocks = [(0,) * actors for _ in range(actors)]  # of each actor: how many steps of each it has come after
        self._latest = (0,) * actors  # of all steps
        self._barrier = (0,) * actors  # of the last step that touched everything
        self._seen: dict[Hashable, tuple[int, ...]] = {}
        self._changed: dict[Hashable, tuple[int, ...]] = {}

    def step(self, actor: int, touched: Touched) -> None:
        """Add a step of an actor."""
        before = [self._clocks[actor], self._barrier]
        if EVERYTHING in touched.changed:
            before.append(self._latest)
        for each in touched.seen | touched.changed:
            before += [self._changed[each]] if each in self._changed else []
        for each in touched.changed:
            before += [self._seen[each]] if each in self._seen else []
        clock = list(map(max, *before))
        clock[actor] += 1
        after = tuple(clock)
        self.signature += hash((actor, after))
        self._clocks[actor] = after
        self._latest = joined(self._latest, after)
        if EVERYTHING in touched.changed:
            self._barrier = after
        for each in touched.changed:
            self._changed[each] = after
        for each in touched.seen:
            self._seen[each] = joined(self._seen.get(each, after), after)


def joined(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """Return the clock that is after both."""
    return tuple(map(max, one, other))
