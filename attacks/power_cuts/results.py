"""The results: tallies by file system and title, kept in a file that a later run adds to, and a table of them."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import atomic_store

from .tally import Tally


class Results:
    """What all runs on one file of results have found.

    Args:
        path: the file; None: nothing is kept.
        seed: of the first run; later ones go on with that.
    """

    POWER_CUTS = "power cuts"
    BLOCK_ERRORS = "block errors"

    def __init__(self, path: Path | None, seed: str) -> None:
        default: dict[str, Any] = {"seed": seed, "runs": [], "begun": {}, "found": {}}
        self._store = None if path is None else atomic_store.open(path, default, dump_kwargs={"indent": 1})
        self._content = default if self._store is None else self._store.value
        self._begin = time.monotonic()

    @classmethod
    def of(cls, path: Path) -> Results:
        """Give what a file holds.

        Raises:
            FileNotFoundError: there is none.
        """
        path.stat()
        return cls(path, "")

    def begin(self, states: int) -> None:
        """Note that a run begins, which goes on to so many states of each file system."""
        self._begin = time.monotonic()
        self._content["runs"].append(
            {
                "states": states,
                "when": time.strftime("%Y-%m-%d"),
                "kernel": platform.release(),
                "python": platform.python_version(),
                "atomic_store": atomic_store.__version__,
                "seconds": 0,
            }
        )

    @property
    def file_systems(self) -> list[str]:
        """The names of those that anything is known of."""
        return list(self._content["found"])

    @property
    def seed(self) -> str:
        """The seed of the first run."""
        return str(self._content["seed"])

    @property
    def seconds(self) -> int:
        """How long the last run has taken."""
        return int(self._content["runs"][-1]["seconds"])

    def next_seed(self, file_system: str, title: str) -> str:
        """Give a seed that was not given before."""
        begun = self._content["begun"].setdefault(file_system, {})
        begun[title] = begun.get(title, 0) + 1
        return f"{self._content['seed']}/{file_system}/{title}/{begun[title]}"

    def get(self, file_system: str, title: str) -> Tally:
        """Give the tally of one kind of work."""
        found = self._content["found"].get(file_system, {})
        return Tally.from_dict(found[title]) if title in found else Tally()

    def add(self, file_system: str, title: str, tally: Tally) -> None:
        """Add to it, and save."""
        total = self.get(file_system, title)
        total.add(tally)
        self._content["found"].setdefault(file_system, {})[title] = total.as_dict()
        self._content["runs"][-1]["seconds"] = round(time.monotonic() - self._begin)
        if self._store is not None:
            self._store.commit()

    def table(self) -> Iterator[str]:
        """Give all tallies, a line each, with the examples of what the library has violated."""
        row = "{:<22}{:<26}{:>8}{:>12}{:>11}  {}"
        yield row.format("file system", "writer or attack", "states", "unmountable", "violations", "of these, and outcomes")
        for file_system, found in self._content["found"].items():
            for title in found:
                tally = self.get(file_system, title)
                kinds = [f"{kind}: {count}" for kind, count in sorted(tally.violations.items()) if kind != "any"]
                kinds += [f"{outcome}: {count}" for outcome, count in sorted(tally.outcomes.items())]
                yield row.format(
                    file_system, title, tally.looked_at, tally.unmountable.total(), tally.violated, "; ".join(kinds)
                ).rstrip()
