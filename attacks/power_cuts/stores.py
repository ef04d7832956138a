"""The stores that are committed to, and their values, which prove to be whole and tell which one they are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Store(NamedTuple):
    """One store of the workload.

    Attributes:
        name: in the marks.
        path: of the file, in the place.
        sizes: of the values, in bytes, by turns.
        options: of atomic_store.open().
        deletes: whether it is deleted every now and then, and made anew.
        skips: whether its commits find their value stored, by somebody who did not wait for the directory.
        link: the path of a symbolic link to the file by which it is opened, if any.
        exists: whether it holds something before the recording begins.
    """

    name: str
    path: str
    sizes: tuple[int, ...]
    options: Mapping[str, Any] = MappingProxyType({})
    deletes: bool = False
    skips: bool = False
    link: str | None = None
    exists: bool = True

    @property
    def opened(self) -> str:
        """The path by which it is opened."""
        return self.link or self.path


SMALL = (50,)
# A block of a file system has 4 KiB: some blocks, many, and more than the 64 KiB that the library writes at once.
LARGE = (5_000, 40_000, 90_000)

PERSISTENT = (
    Store("small", "small.json", SMALL),
    Store("large", "large.json", LARGE),
    Store("locked", "locked.json", (*SMALL, 5_000), {"lock": True}),
    Store("compared", "compared.json", (*SMALL, 5_000), {"on_conflict": "raise"}),
    Store("deleted", "deleted.json", (*SMALL, 5_000), deletes=True),
    # Its first creation publishes by a link instead of a rename.
    Store("deleted-compared", "deleted-compared.json", SMALL, {"on_conflict": "raise"}, deletes=True),
    Store("unchanged", "unchanged.json", (*SMALL, 5_000), skips=True),
    Store("linked", "elsewhere/linked.json", (*SMALL, 5_000), link="link.json"),
)
PLAIN = PERSISTENT[:2]
"""What the controls can do as well."""


def fresh(number: int) -> Store:
    """Give a store that nothing was ever committed to."""
    return Store(f"new-{number}", f"new-{number}.json", (*SMALL, 5_000), exists=False)


def value_of(store: Store, number: int) -> dict[str, Any]:
    """Give the value with this number: another one for each store and number, and any change to it shows."""
    size = store.sizes[number % len(store.sizes)]
    return {"number": number, "body": hashlib.shake_128(f"{store.name} {number}".encode()).hexdigest(size // 2)}


def number_in(store: Store, value: object) -> int:
    """Give the number of a value.

    Raises:
        ValueError: it is not one that was ever committed to this store.
    """
    number = value.get("number") if isinstance(value, dict) else None
    if not isinstance(number, int) or value != value_of(store, number):
        raise ValueError(f"should be a value of the store {store.name!r}, and is {repr(value)[:80]}")
    return number
