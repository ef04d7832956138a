"""The look at what a crash has left: mount it, which recovers it, read every store, commit once more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from atomic_store import AtomicStoreError

from .disk import Disk
from .file_systems import FileSystem
from .history import Expectation
from .kernel import mount, unmount
from .stores import PERSISTENT, Store, fresh
from .writers import Library, Writer

TEMP = re.compile(r"\.(.+)\.[0-9a-f]{16}\.tmp")
NEXT = 1_000_000  # the number of a value that is committed after the crash


class Unmountable(NamedTuple):
    """The file system itself did not survive."""

    reason: str


class Violation(NamedTuple):
    """Something that was promised does not hold.

    Attributes:
        kind: `lost` (an older value than one whose commit has returned, or none), `damaged` (not whole), `unreadable`,
            `unasked` (a value that no commit may have published), `left over` (more files than one temporary file a store),
            `no commit` (the next commit failed).
        text: the details, for people.
        is_new: whether it is about a store that held nothing when the recording began.
    """

    kind: str
    text: str
    is_new: bool = False


def store_named(name: str) -> Store:
    """Give the store that the marks call so."""
    for store in PERSISTENT:
        if store.name == name:
            return store
    return fresh(int(name.removeprefix("new-")))


class Bench:
    """A disk whose states are looked at.

    Attributes:
        kind: who writes there.
        place: the directory of the stores, while it is mounted.
    """

    def __init__(self, disk: Disk, file_system: FileSystem, kind: type[Writer]) -> None:
        self._disk = disk
        self._file_system = file_system
        self.kind = kind
        self.place = disk.point / "place"

    def mount(self) -> None:
        """Mount the disk."""
        mount(self._disk.device, str(self._disk.point), self._file_system.kind, self._file_system.options)

    def unmount(self) -> None:
        """Unmount it."""
        unmount(str(self._disk.point))

    def judge(self, expected: Mapping[str, Expectation]) -> list[Violation] | Unmountable:
        """Say what is wrong with the state that the disk is in."""
        try:
            self.mount()
        except OSError as error:
            return Unmountable(str(error.strerror))
        try:
            writer = self.kind(self.place)
            found = [violation for name in expected if (violation := _look(writer, store_named(name), expected[name]))]
            if isinstance(writer, Library):
                found += left_over(self.place, [store_named(name) for name in expected])
                found += self._commit_once_more(writer, expected)
            return found
        finally:
            self.unmount()

    def _commit_once_more(self, writer: Writer, expected: Mapping[str, Expectation]) -> list[Violation]:
        """Commit to the store that was at work, or else to the first."""
        busy = [name for name, expectation in expected.items() if expectation.busy]
        store = store_named((busy or list(expected))[-1 if busy else 0])
        try:
            writer.write(store, NEXT)
            again = writer.read(store)
        except (OSError, ValueError, AtomicStoreError) as error:
            return [Violation("no commit", f"{store.name}: {error!r}", not store.exists)]
        return [] if again == NEXT else [Violation("no commit", f"{store.name} holds {again} after it", not store.exists)]


def left_over(place: Path, stores: list[Store]) -> list[Violation]:
    """Say what is in the place besides the file, the link, the lock and one temporary file of each store."""
    files = {place / store.path for store in stores}
    known = files | {path.with_name(f".{path.name}.lock") for path in files}
    known |= {place / store.link for store in stores if store.link}
    owners: set[Path] = set()
    found: list[Violation] = []
    try:
        for path in sorted(place.rglob("*")):
            if path in known or path.is_dir():
                continue
            match = TEMP.fullmatch(path.name)
            owner = path.with_name(match[1]) if match else path
            if owner not in files or owner in owners:
                found.append(Violation("left over", str(path.relative_to(place))))
            owners.add(owner)
    except OSError as error:
        found.append(Violation("unreadable", f"the directory: {error}"))
    return found


def _look(writer: Writer, store: Store, expected: Expectation) -> Violation | None:
    is_new = not store.exists
    try:
        found = writer.read(store)
    except ValueError as error:
        return Violation("damaged", f"{store.name}: {error}", is_new)
    except OSError as error:
        return Violation("unreadable", f"{store.name}: {error}", is_new)
    if found in expected.allowed:
        return None
    kind = "lost" if found in expected.past or found is None else "unasked"
    return Violation(
        kind, f"{store.name} holds {found}, and should hold one of {sorted(map(str, expected.allowed))}", is_new
    )
