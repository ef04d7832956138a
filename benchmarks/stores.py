"""The contestants: every way to keep one value that is measured, each as its users write it.

What runs in a worker: a package is imported by the contestant that needs it, in the environment that has it.
"""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
import tempfile
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DURABLE = ""
NOT_DURABLE = "not durable"
TORN = "durable, torn by a crash"
IN_PART = "durable up to 32 KB"
MAY_VANISH = "old or new, the newest may be lost"


class Kept:
    """One value, kept in a directory by one of the contestants; by the plainest means, where no subclass says otherwise.

    Args:
        directory: its own.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "value.json"

    def prepare(self, value: Any) -> Any:
        """Do what is not measured; give what commit() takes."""
        return value

    def commit(self, value: Any) -> None:
        """Keep this value from now on."""
        raise NotImplementedError

    def read(self) -> Any:
        """Open what is kept, as a program that starts does, and give the value."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        data = os.read(descriptor, os.fstat(descriptor).st_size)
        os.close(descriptor)
        return json.loads(data)

    def close(self) -> None:
        """Let go of everything."""


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file by as few system calls as there can be: the floor."""
    temp = f"{path}.tmp"
    descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.fsync(descriptor)
    os.close(descriptor)
    os.replace(temp, path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    os.fsync(directory)
    os.close(directory)


class Floor(Kept):
    """The fewest system calls, the bytes being ready."""

    def prepare(self, value: Any) -> Any:
        return json.dumps(value).encode()

    def commit(self, value: Any) -> None:
        write_durably(self.path, value)


class FloorDumps(Kept):
    """The fewest system calls, and json.dumps()."""

    def commit(self, value: Any) -> None:
        write_durably(self.path, json.dumps(value).encode())


class FloorOrjson(Kept):
    """The fewest system calls, and orjson.dumps()."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.orjson = import_module("orjson")

    def commit(self, value: Any) -> None:
        write_durably(self.path, self.orjson.dumps(value))

    def read(self) -> Any:
        return self.orjson.loads(self.path.read_bytes())


class Ours(Kept):
    """atomic_store.open(), and commit(): of the new package, or of 0.0.1, whichever the environment has."""

    def __init__(self, directory: Path, format: Any = None, **options: Any) -> None:
        super().__init__(directory)
        self.open = import_module("atomic_store").open
        self.format = import_module(format) if format == "orjson" else format
        self.place: Any = import_module("atomic_store").LocalFile(self.path, **options) if options else str(self.path)
        self.store = self.open(self.place, default={}, format=self.format)

    def commit(self, value: Any) -> None:
        self.store.value = value
        self.store.commit()

    def read(self) -> Any:
        return self.open(self.place, default={}, format=self.format).value


class ByHand(Kept):
    """What a careful programmer writes: mkstemp, fsync, replace, fsync of the directory."""

    def commit(self, value: Any) -> None:
        descriptor, temp = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(json.dumps(value))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temp, self.path)
        except BaseException:
            os.unlink(temp)
            raise
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def read(self) -> Any:
        with self.path.open(encoding="utf-8") as file:
            return json.load(file)


class Atomicwrites(ByHand):
    """atomicwrites.atomic_write(), and json.dumps()."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.atomic_write = import_module("atomicwrites").atomic_write

    def commit(self, value: Any) -> None:
        with self.atomic_write(self.path, overwrite=True) as file:
            file.write(json.dumps(value))


class OpenW(ByHand):
    """open("w") and json.dump(), as most programs do."""

    def commit(self, value: Any) -> None:
        with self.path.open("w", encoding="utf-8") as file:
            json.dump(value, file)


class Safer(ByHand):
    """safer.open(), and json.dumps()."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.safer = import_module("safer")

    def commit(self, value: Any) -> None:
        with self.safer.open(self.path, "w", temp_file=True) as file:
            file.write(json.dumps(value))


class Sqlite(Kept):
    """sqlite3 with one row, its text being JSON; a transaction each time."""

    def __init__(self, directory: Path, journal: str, synchronous: str) -> None:
        super().__init__(directory)
        self.path = directory / "value.db"
        self.synchronous = synchronous
        self.connection = self.connect()
        self.connection.execute(f"PRAGMA journal_mode={journal}")
        self.connection.execute("CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, value TEXT)")

    def connect(self) -> sqlite3.Connection:
        """Open the database."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute(f"PRAGMA synchronous={self.synchronous}")
        return connection

    def commit(self, value: Any) -> None:
        self.connection.execute("INSERT OR REPLACE INTO kept VALUES ('value', ?)", (json.dumps(value),))

    def read(self) -> Any:
        connection = sqlite3.connect(self.path)
        (text,) = connection.execute("SELECT value FROM kept WHERE key = 'value'").fetchone()
        connection.close()
        return json.loads(text)

    def close(self) -> None:
        self.connection.close()


class Sqlitedict(Kept):
    """sqlitedict.SqliteDict, which pickles, and sets synchronous=OFF itself."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.make = import_module("sqlitedict").SqliteDict
        self.kept = self.make(str(self.path))

    def commit(self, value: Any) -> None:
        self.kept["value"] = value
        self.kept.commit()

    def read(self) -> Any:
        with self.make(str(self.path)) as kept:
            return kept["value"]

    def close(self) -> None:
        self.kept.close()


class Diskcache(Kept):
    """diskcache.Cache, which pickles, and keeps values over 32 KB in files of their own, unsynced."""

    def __init__(self, directory: Path, **options: Any) -> None:
        super().__init__(directory)
        self.make = import_module("diskcache").Cache
        self.options = options
        self.kept = self.make(str(self.path), **options)

    def commit(self, value: Any) -> None:
        self.kept["value"] = value

    def read(self) -> Any:
        with self.make(str(self.path), **self.options) as kept:
            return kept["value"]

    def close(self) -> None:
        self.kept.close()


class Shelve(Kept):
    """shelve, which pickles; on 3.13 it is kept by dbm.sqlite3, before by what the system has, dbm.dumb at worst."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.shelve = import_module("shelve")
        self.kept = self.shelve.open(str(self.path))

    def commit(self, value: Any) -> None:
        self.kept["value"] = value
        self.kept.sync()

    def read(self) -> Any:
        # Closed before: what GNU dbm has not written yet, a second handle does not see.
        self.kept.close()
        self.kept = self.shelve.open(str(self.path))
        return self.kept["value"]

    def close(self) -> None:
        self.kept.close()


class DbmSqlite(Kept):
    """dbm.sqlite3, new in Python 3.13, and json.dumps()."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.dbm = import_module("dbm.sqlite3")
        self.kept = self.dbm.open(str(self.path), "c")

    def commit(self, value: Any) -> None:
        self.kept["value"] = json.dumps(value)

    def read(self) -> Any:
        kept = self.dbm.open(str(self.path), "r")
        value = json.loads(kept["value"])
        kept.close()
        return value

    def close(self) -> None:
        self.kept.close()


class Tinydb(Kept):
    """tinydb.TinyDB with one document."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.tinydb = import_module("tinydb")
        self.kept = self.tinydb.TinyDB(self.path)
        self.kept.insert({})

    def commit(self, value: Any) -> None:
        self.kept.update(value, doc_ids=[1])

    def read(self) -> Any:
        with self.tinydb.TinyDB(self.path) as kept:
            return dict(kept.get(doc_id=1))

    def close(self) -> None:
        self.kept.close()


class Pickledb(Kept):
    """pickledb.PickleDB, which is JSON by orjson, and an event loop for each call."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.make = import_module("pickledb").PickleDB
        self.kept = self.make(str(self.path))

    def commit(self, value: Any) -> None:
        self.kept.set("value", value)
        self.kept.save()

    def read(self) -> Any:
        return self.make(str(self.path)).load().get("value")


class PickleByHand(Kept):
    """The fewest system calls, and pickle.dumps()."""

    def commit(self, value: Any) -> None:
        write_durably(self.path, pickle.dumps(value, protocol=4))

    def read(self) -> Any:
        with self.path.open("rb") as file:
            return pickle.load(file)


class Contestant(NamedTuple):
    """One row of the tables.

    Attributes:
        make: opens it in a directory of its own.
        environment: where it runs.
        keeps: what becomes of the value after a crash or a power cut; "": it is durable, and old or new.
        note: what else a reader must know.
        single: whether it is one plain file at all times.
    """

    make: Callable[[Path], Kept]
    environment: str = "peers"
    keeps: str = DURABLE
    note: str = ""
    single: bool = True


BASE = "floor + json.dumps"
OURS = "atomic_store"
ORIGINAL = "atomic-store 0.0.1"

CONTESTANTS: dict[str, Contestant] = {
    "floor, bytes ready": Contestant(Floor, note="the limit: open, write, fsync, close, replace, fsync of the directory"),
    BASE: Contestant(FloorDumps, note="the limit, and json.dumps(): what all others are compared with"),
    OURS: Contestant(Ours),
    "mkstemp, by hand": Contestant(ByHand),
    "atomicwrites": Contestant(Atomicwrites),
    ORIGINAL: Contestant(Ours, "original"),
    "sqlite3 WAL FULL": Contestant(lambda path: Sqlite(path, "WAL", "FULL"), note="three files", single=False),
    "sqlite3 WAL EXTRA": Contestant(lambda path: Sqlite(path, "WAL", "EXTRA"), note="three files", single=False),
    "sqlite3 DELETE FULL": Contestant(
        lambda path: Sqlite(path, "DELETE", "FULL"), keeps=MAY_VANISH, note="does not sync the deletion of its journal"
    ),
    "sqlite3 DELETE EXTRA": Contestant(lambda path: Sqlite(path, "DELETE", "EXTRA")),
    "diskcache FULL": Contestant(lambda path: Diskcache(path, sqlite_synchronous=2), keeps=IN_PART, note="pickle"),
    "dbm.sqlite3": Contestant(DbmSqlite, "python 3.13", note="three files, Python 3.13", single=False),
    "shelve, 3.13": Contestant(Shelve, "python 3.13", note="pickle, three files, Python 3.13", single=False),
    "TinyDB": Contestant(Tinydb, keeps=TORN, note="writes in place"),
    "atomic_store orjson": Contestant(lambda path: Ours(path, "orjson"), note="format=orjson"),
    'atomic_store fsync="file"': Contestant(lambda path: Ours(path, fsync="file"), keeps=MAY_VANISH),
    "atomic_store fsync=False": Contestant(lambda path: Ours(path, fsync=False), keeps=NOT_DURABLE),
    "safer": Contestant(Safer, keeps=NOT_DURABLE),
    "diskcache": Contestant(Diskcache, keeps=NOT_DURABLE, note="pickle; its default, WAL NORMAL"),
    "sqlitedict": Contestant(Sqlitedict, keeps=NOT_DURABLE, note="pickle; sets synchronous=OFF"),
    "pickleDB": Contestant(Pickledb, keeps=NOT_DURABLE, note="orjson; an event loop for each call"),
    "shelve": Contestant(Shelve, keeps=NOT_DURABLE, note="pickle"),
    'open("w")': Contestant(OpenW, keeps=NOT_DURABLE, note="neither atomic nor durable"),
}

SCALING: dict[str, Contestant] = {
    **{
        name: CONTESTANTS[name]
        for name in (
            *("floor, bytes ready", BASE, OURS, "atomicwrites", ORIGINAL, "sqlite3 WAL FULL", "atomic_store orjson"),
            *('atomic_store fsync="file"', 'open("w")'),
        )
    },
    "floor + orjson": Contestant(FloorOrjson),
    "atomic_store pickle": Contestant(lambda path: Ours(path, "pickle"), note='format="pickle"'),
    "floor + pickle": Contestant(PickleByHand),
}
"""Those that show how the cost grows with the value."""
