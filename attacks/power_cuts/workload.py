"""The program whose power is cut: `python -m attacks.power_cuts.workload ORDER`, on the file system that is mounted.

The order is JSON, see Order. Each operation is marked in the disk's log before it begins and after it has returned. Each
system call of it comes some milliseconds late, so that what others sync falls between any two of its steps.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from atomic_store import UncertainCommitError

from .stores import Store, fresh
from .writers import WRITERS, Writer

DELAYED = ("open", "write", "fsync", "fchmod", "replace", "link", "unlink")


@dataclass(frozen=True)
class Order:
    """What the program is to do.

    Attributes:
        place: the directory of the stores.
        control: where the marks go; empty: nowhere.
        writer: who writes.
        operations: how many; 0: only fill the stores that must exist.
        longest: the longest delay before a system call, in seconds.
        seed: of everything that is drawn.
    """

    place: str
    control: str
    writer: str
    operations: int
    longest: float
    seed: str

    def run(self) -> None:
        """Run the program.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        import subprocess

        command = [sys.executable, "-m", "attacks.power_cuts.workload", json.dumps(asdict(self))]
        subprocess.run(command, check=True, cwd=Path(__file__).parents[2])


class Marks:
    """Writes the marks of operations, and what became of each."""

    def __init__(self, mark: Callable[[str], object]) -> None:
        self._mark = mark

    def around(self, writer: Writer, store: Store, number: int, deletes: bool = False) -> Exception | None:
        """Let the writer write the value with this number, or delete, marked before and after; give what it raised."""
        failure: Exception | None = None
        self._mark(f"B {store.name} {number} {'-' if deletes else number}")
        try:
            if deletes:
                writer.delete(store)
            else:
                writer.write(store, number)
        except Exception as error:  # whatever it is, it is marked, and handed on
            failure = error
        outcome = "E" if failure is None else "U" if isinstance(failure, UncertainCommitError) else "F"
        self._mark(f"{outcome} {store.name} {number}")
        return failure


def slow_down(longest: float, rng: random.Random) -> None:
    """Let the system calls of this process wait, each for a moment that is drawn."""

    def late(call: Callable[..., Any]) -> Callable[..., Any]:
        def wait(*arguments: Any, **keywords: Any) -> Any:
            time.sleep(rng.uniform(0, longest))
            return call(*arguments, **keywords)

        return wait

    if "atomicwrites" in sys.modules:
        raise RuntimeError("atomicwrites keeps the os.fsync that it has found at its import: slow it down before")
    for name in DELAYED:
        setattr(os, name, late(getattr(os, name)))


def fill(writer: Writer) -> None:
    """Put a first value into each store that must exist."""
    for store in writer.stores:
        (writer.place / store.path).parent.mkdir(exist_ok=True)
        if store.link is not None:
            (writer.place / store.link).symlink_to(store.path)
        writer.write(store, 1)


def work(writer: Writer, marks: Marks, operations: int, rng: random.Random) -> None:
    """Write, and delete, in the stores by chance."""
    numbers = {store.name: 1 for store in writer.stores}
    held = dict.fromkeys(numbers, True)
    for turn in range(operations):
        store = fresh(turn) if rng.random() < 0.2 else rng.choice(writer.stores)
        number = numbers[store.name] = numbers.get(store.name, 0) + 1
        deletes = store.deletes and held[store.name]
        failure = marks.around(writer, store, number, deletes)
        if failure is not None:
            raise failure
        held[store.name] = not deletes


def main(order: Order) -> None:
    """Obey an order."""
    rng = random.Random(order.seed)
    slow_down(order.longest, random.Random(f"{order.seed} delays"))
    writer = WRITERS[order.writer](Path(order.place))
    if not order.operations:
        fill(writer)
        return
    with open(order.control, "wb", buffering=0) as control:
        work(writer, Marks(lambda text: control.write(b"M" + text.encode())), order.operations, rng)


if __name__ == "__main__":
    main(Order(**json.loads(sys.argv[1])))
