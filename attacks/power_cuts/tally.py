"""What was found, in numbers and in a few words; tallies add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

SWALLOWED = "an fsync failed, and the commit returned"
EXAMPLES = 3  # of each kind that are kept in words


@dataclass
class Tally:
    """What was found.

    Attributes:
        states: how many were looked at, by kind.
        unmountable: how many file systems could not be mounted at all, by kind of state.
        violations: how many states broke a promise; "any" counts each once, the others say what and where. SWALLOWED counts
            commits, not states.
        outcomes: how commits ended that met a failing disk.
        commits: operations that were recorded.
        writes: block writes that were logged.
        rounds: recordings made.
        seconds: spent on it, by one process.
        examples: some violations and reasons, in words.
    """

    states: Counter[str] = field(default_factory=Counter)
    unmountable: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    commits: int = 0
    writes: int = 0
    rounds: int = 0
    seconds: float = 0.0
    examples: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add another one to this."""
        for mine, others in (
            (self.states, other.states),
            (self.unmountable, other.unmountable),
            (self.violations, other.violations),
            (self.outcomes, other.outcomes),
        ):
            mine.update(others)
        self.commits += other.commits
        self.writes += other.writes
        self.rounds += other.rounds
        self.seconds = round(self.seconds + other.seconds, 1)
        for example in other.examples:
            self.tell(example)

    def violate(self, kinds: list[str]) -> None:
        """Count one state that broke a promise in these ways."""
        if kinds:
            self.violations.update({"any", *kinds})

    def tell(self, example: str) -> None:
        """Keep an example, unless there are enough of its kind: the words before the first colon."""
        kind = example.partition(":")[0]
        if sum(known.startswith(f"{kind}:") for known in self.examples) < EXAMPLES:
            self.examples.append(example)

    def as_dict(self) -> dict[str, Any]:
        """Give it for JSON."""
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Tally:
        """Take it from JSON."""
        counters = {name: Counter(content[name]) for name in ("states", "unmountable", "violations", "outcomes")}
        return cls(**{**content, **counters})

    @property
    def mounted(self) -> int:
        """How many states were judged: all that could be mounted."""
        return self.states.total() - self.unmountable.total()

    def summary(self) -> str:
        """Give the numbers in a line."""
        return (
            f"{self.looked_at} states, {self.unmountable.total()} unmountable, {self.violated} violations, {self.seconds} s"
        )

    @property
    def looked_at(self) -> int:
        """How many states were looked at."""
        return self.states.total()

    @property
    def worse_than_undone(self) -> int:
        """How often a state broke another promise than that what has returned will last.

        Where a rename is undone, the temporary file has its name again: that there may be more than one is part of it.
        """
        undone = (", lost", ", left over")
        return sum(count for kind, count in self.violations.items() if kind != "any" and not kind.endswith(undone))

    @property
    def violated(self) -> int:
        """How many states broke a promise, and how many commits returned though they were told of a failure."""
        return self.violations["any"] + self.violations[SWALLOWED]
