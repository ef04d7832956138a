"""Random edits of random hand-made documents: python -m attacks.edits --edits 20000 --seed 1.

For each edit a program opens the document, changes the value and commits. What is published loads as the value that the
program has, or the commit is refused with an error and the old file is whole. Control: without the read-back before
publishing, edits come back wrong.
"""

from __future__ import annotations

import argparse
import copy
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import atomic_store
from atomic_store import FormatError, LoadError
from atomic_store.formats import plain
from atomic_store.formats._difference import difference
from atomic_store.testing import Memory

from .changes import change
from .documents import toml_document, yaml_document

DOCUMENTS = {"yaml": yaml_document, "toml": toml_document}
STEPS = 4  # edits of one document, one after the other


def attack(format: str, edits: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Make so many edits; return how they ended, and what came back wrong, each with its seed."""
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    while outcomes.total() - outcomes["documents"] < edits:
        seed += 1
        rnd = random.Random(seed)
        place = Memory(DOCUMENTS[format](rnd).encode())
        outcomes["documents"] += 1
        try:
            store = atomic_store.open(place, None, format)
        except LoadError:
            continue  # a document that the parser refuses is no document
        for _ in range(STEPS):
            outcome = edit(store, place, rnd, format)
            outcomes[outcome.partition(":")[0]] += 1
            if outcome.startswith("wrong"):
                wrong.append(f"{format}, seed {seed}: {outcome}")
            if outcome != "same":
                break
            if rnd.random() < 0.5:
                store = atomic_store.open(place, None, format)
    return outcomes, wrong


def edit(store: Any, place: Memory, rnd: random.Random, format: str) -> str:
    """Make one edit and commit; return what came of it."""
    before = place.content
    try:
        mirror = copy.deepcopy(plain(store.value))
    except RecursionError:
        return "contains itself"  # an earlier edit has put a part with an anchor into itself
    try:
        change(rnd, store.value, mirror, nothing=format == "yaml")
        found = difference(mirror, plain(store.value))
    except Exception:
        return "refused by the value itself"
    if found is not None:
        return "changed otherwise by the value itself"
    try:
        store.commit()
    except FormatError:
        return "refused at commit" if place.content == before else "wrong: refused, and the old file is changed"
    except Exception:
        return "refused by the package" if place.content == before else "wrong: refused, and the old file is changed"
    try:
        again = atomic_store.open(place, None, format).value
    except LoadError as error:
        return f"wrong: cannot be read: {error}"
    found = difference(mirror, plain(again))
    return "same" if found is None else f"wrong: {found}"


@contextmanager
def without_reading_back() -> Iterator[None]:
    """Publish what the packages write, unseen."""
    names = ("_yaml", "_toml")
    patches = [mock.patch(f"atomic_store.formats.{name}.require_same") for name in names]
    with patches[0], patches[1]:
        yield


def main() -> int:
    """Attack both formats; 1 if a commit published another value, or if the control found nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=20_000, help="for each format")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    failed = False
    for format in DOCUMENTS:
        with without_reading_back():
            _, seen = attack(format, 2000, given.seed)
        print(f"{format} without the read-back: {len(seen)} of 2000 edits come back wrong")
        outcomes, wrong = attack(format, given.edits, given.seed)
        print(f"{format}: {dict(outcomes)}, {len(wrong)} wrong")
        print(*wrong[:20], sep="\n")
        failed = failed or bool(wrong) or not seen
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
