"""Those who write: the library, and the controls, each with one mistake that a crash must bring to light.

A writer works in one directory, the place. It writes the value with some number to a store, deletes one, and reads which
number is there.
"""

from __future__ import annotations

import abc
import contextlib
import json
import os
import sqlite3
from pathlib import Path
from typing import Literal

import atomic_store

from .stores import PERSISTENT, PLAIN, Store, number_in, value_of


class Writer(abc.ABC):
    """Somebody who keeps values in a place.

    Attributes:
        name: on the command line and in the results.
        stores: those of a recording, besides new ones.
        mistake: what is wrong with it; empty: nothing.
    """

    name: str
    stores: tuple[Store, ...] = PLAIN
    mistake = ""

    def __init__(self, place: Path) -> None:
        self.place = place

    @abc.abstractmethod
    def write(self, store: Store, number: int) -> None:
        """Make the value with this number the stored one, durably."""

    def delete(self, store: Store) -> None:
        """Delete what is stored."""
        raise NotImplementedError(f"{self.name} deletes nothing")

    def read(self, store: Store) -> int | None:
        """Give the number of the stored value, None: nothing is stored.

        Raises:
            ValueError: it is not whole.
            OSError: it cannot be read.
        """
        file = atomic_store.open(self.place / store.opened)
        return number_in(store, file.value) if file.stored else None


class Library(Writer):
    """atomic_store, as programs use it: a store stays open from commit to commit."""

    name = "atomic_store"
    stores = PERSISTENT
    fsync: bool | Literal["file"] = True

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self._open: dict[str, atomic_store.AtomicStore[object]] = {}

    def write(self, store: Store, number: int) -> None:
        """Commit: by commit(), by leaving a block, or by update()."""
        if store.skips:
            self._commit_twice(store, number)
            return
        value = value_of(store, number)
        opened = self._opened(store)
        if number % 3 == 0:
            opened.update(lambda _: value)
        elif number % 3 == 1:
            with opened:
                opened.value = value
        else:
            opened.value = value
            opened.commit()

    def _commit_twice(self, store: Store, number: int) -> None:
        """Let somebody commit who does not wait for the directory, then commit the same: that must wait for it."""
        hasty = atomic_store.open(atomic_store.LocalFile(self.place / store.opened, fsync="file"))
        opened = self._opened(store)
        hasty.value = opened.value = value_of(store, number)
        hasty.commit()
        try:
            opened.commit()
        except OSError as error:
            raise atomic_store.UncertainCommitError(error.errno, "it is stored, perhaps not for good", store.path) from error

    def delete(self, store: Store) -> None:
        """Delete by the store."""
        self._opened(store).delete()

    def read(self, store: Store) -> int | None:
        """Open it anew, as a program does after a crash."""
        self._open.pop(store.name, None)
        opened = self._opened(store)
        return number_in(store, opened.value) if opened.stored else None

    def _opened(self, store: Store) -> atomic_store.AtomicStore[object]:
        if store.name not in self._open:
            place = atomic_store.LocalFile(self.place / store.opened, fsync=self.fsync, skip_unchanged=store.skips)
            self._open[store.name] = atomic_store.open(place, **store.options)
        return self._open[store.name]


class FileSynced(Library):
    """The same without a sync of the directory: what has returned may be undone, but never be damaged."""

    name = 'fsync="file"'
    fsync = "file"


class Unsynced(Library):
    """The same without any sync: an observation of what the file system makes good."""

    name = "fsync=False"
    fsync = False


def _bytes(store: Store, number: int) -> bytes:
    return json.dumps(value_of(store, number)).encode()


class InPlace(Writer):
    """open(path, "w"), write, fsync."""

    name = "in place"
    mistake = "the old value is gone before the new one is there"

    def write(self, store: Store, number: int) -> None:
        """By os.open(), whose steps can be slowed down; open() makes the same system calls."""
        descriptor = os.open(self.place / store.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            os.write(descriptor, _bytes(store, number))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Renaming(Writer):
    """A temporary file, fsync, rename, fsync of the directory, by hand; its subclasses leave something out."""

    name = "rename"

    def write(self, store: Store, number: int) -> None:
        """Write beside the file, and rename."""
        path = self.place / store.path
        temp = path.with_suffix(".tmp")
        descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            os.write(descriptor, _bytes(store, number))
            self.sync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temp, path)
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sync_directory(descriptor)
        except OSError as error:
            raise atomic_store.UncertainCommitError(
                error.errno, "renamed, perhaps not for good", path, version=None
            ) from error
        finally:
            os.close(descriptor)

    def sync(self, descriptor: int) -> None:
        """Bring the file to the disk."""
        os.fsync(descriptor)

    def sync_directory(self, descriptor: int) -> None:
        """Bring its name to the disk."""
        os.fsync(descriptor)


class NoFsync(Renaming):
    """Rename without fsync of the file, over an old one."""

    name = "rename without fsync"
    mistake = "the name may be on the disk before the bytes are"

    def sync(self, descriptor: int) -> None:
        """Do nothing."""


class NoDirectoryFsync(Renaming):
    """Rename without fsync of the directory."""

    name = "no fsync of the directory"
    mistake = "the rename may be undone after the commit has returned"

    def sync_directory(self, descriptor: int) -> None:
        """Do nothing."""


class RetriedFsync(Renaming):
    """Whoever tries a failed fsync again is told that all is well."""

    name = "retried fsync"
    mistake = "the kernel has dropped the bytes that it could not write"

    def sync(self, descriptor: int) -> None:
        """Try three times."""
        for attempt in (1, 2, 3):
            try:
                os.fsync(descriptor)
            except OSError:
                if attempt == 3:
                    raise
            else:
                return

    sync_directory = sync


class Sqlite(Writer):
    """sqlite3 with its rollback journal: an observation, no control.

    With synchronous=FULL the directory is not synced after the journal was deleted: the last commit may be rolled back
    (https://www.sqlite.org/pragma.html#pragma_synchronous).
    """

    name = "sqlite3"
    synchronous = "FULL"

    def write(self, store: Store, number: int) -> None:
        """One row, replaced in a transaction."""
        with contextlib.closing(self._connect(store)) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS held (one PRIMARY KEY, value)")
            connection.execute("INSERT OR REPLACE INTO held VALUES (1, ?)", [_bytes(store, number)])

    def read(self, store: Store) -> int | None:
        """Read the row; its journal is rolled back first."""
        if not (self.place / store.path).exists():
            return None
        try:
            with contextlib.closing(self._connect(store)) as connection:
                if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'held'").fetchone():
                    return None
                row = connection.execute("SELECT value FROM held").fetchone()
        except sqlite3.DatabaseError as error:
            raise ValueError(f"sqlite3: {error}") from error
        return number_in(store, json.loads(row[0])) if row else None

    def _connect(self, store: Store) -> sqlite3.Connection:
        connection = sqlite3.connect(self.place / store.path)
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute(f"PRAGMA synchronous = {self.synchronous}")
        return connection


class SqliteExtra(Sqlite):
    """The same with a sync of the directory, which makes it durable."""

    name = "sqlite3 EXTRA"
    synchronous = "EXTRA"


WRITERS: dict[str, type[Writer]] = {
    writer.name: writer
    for writer in (Library, FileSynced, Unsynced, InPlace, NoFsync, NoDirectoryFsync, RetriedFsync, Sqlite, SqliteExtra)
}
