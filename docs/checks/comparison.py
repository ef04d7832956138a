"""Try out what docs/comparison.md says of other packages, and compare; with --write, write it there.

Needs strace, the packages of the extra `comparison`, and atomic-store 0.0.1 in a directory of its own, which $ORIGINAL
names, for it has our package's name: pip install --no-deps --target DIRECTORY atomic-store==0.0.1

Each contestant keeps one value, in the way its documentation shows first. Every step is a process of its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "comparison.md"
PAD = "x" * 30_000  # so that a value takes several writes where something writes in pieces
OLD = {"n": 1, "pad": PAD}
NEW = {"n": 2, "pad": PAD[::2]}


BEGINS = "the package begins to store"
RETURNED = "the package says that it is stored"


class Half(Exception):
    """What the body of a block raises."""


# --- the contestants -------------------------------------------------------------------------------------------------


class Contestant:
    """One package: how it keeps a value in the directory that a process works in.

    Attributes:
        label: what the page calls it.
        file: the file that holds the value.
        remedy: what it offers against lost updates, None: nothing.
    """

    label: str
    file = "value"
    remedy: str | None = None

    def read(self) -> Any:
        """Give what is stored."""
        raise NotImplementedError

    def reopen(self) -> None:
        """Read, as a program does that takes a missing entry for a new store; raise what else is wrong."""
        self.read()

    def write(self, value: Any, mark: Callable[[str], object] = str) -> None:
        """Replace what is stored; mark when it begins, with all open, and when the package says that it is stored."""
        raise NotImplementedError

    def two(self) -> None:
        """Add 1 twice, by two handles that have both read before either writes."""
        value, other = self.read(), self.read()
        value["n"] += 1
        other["n"] += 1
        self.write(value)
        self.write(other)

    def add(self) -> None:
        """Add 1 with the remedy."""
        raise NotImplementedError

    def fail(self) -> bool:
        """Write inside a block that then raises; False: it has no block."""
        return False


class Ours(Contestant):
    """This package."""

    label = "atomic_store"
    remedy = "`lock=`, `on_conflict=`, `update()`"

    def open(self) -> Any:
        import atomic_store

        return atomic_store.open(self.file, default={})

    def read(self) -> Any:
        return self.open().value

    def write(self, value: Any, mark: Callable[[str], object] = str) -> None:
        store = self.open()
        mark(BEGINS)
        store.value = value
        store.commit()
        mark(RETURNED)

    def two(self) -> None:
        first, second = self.open(), self.open()
        for store in (first, second):
            store.value["n"] += 1
        first.commit()
        second.commit()

    def add(self) -> None:
        def one_more(value: Any) -> Any:
            value["n"] += 1
            return value

        self.open().update(one_more)

    def fail(self) -> bool:
        with self.open() as store:
            store.value = NEW
            raise Half


class Original(Ours):
    """The first release: the same calls."""

    label = "atomic-store 0.0.1"
    remedy = None


class Atomicwrites(Contestant):
    """A file that is published at the end of its block."""

    label = "atomicwrites"

    def read(self) -> Any:
        return json.loads(Path(self.file).read_text(encoding="utf-8"))

    def write(self, value: Any, mark: Callable[[str], object] = str) -> None:
        from atomicwrites import atomic_write

        mark(BEGINS)
        with atomic_write(self.file, overwrite=True) as file:
            json.dump(value, file)
        mark(RETURNED)

    def fail(self) -> bool:
        from atomicwrites import atomic_write

        with atomic_write(self.file, overwrite=True) as file:
            json.dump(NEW, file)
            raise Half


class SmartOpen(Atomicwrites):
    """A file, here or elsewhere, that is written as it comes."""

    label = "smart_open"

    def write(self, value: Any, mark: Callable[[str], object] = str) -> None:
        import smart_open

        mark(BEGINS)
        with smart_open.open(self.file, "w") as file:
            json.dump(value, file)
        mark(RETURNED)

    def fail(self) -> bool:
        import smart_open

        with smart_open.open(self.file, "w") as file:
            file.write(json.dumps(NEW)[:10_000])
            raise Half


class Shelve(Contestant):
    """A dict of pickles, on dbm.dumb: the one that every Python has."""

    label = "shelve on dbm.dumb"
    file = "value.dir"

    def open(self) -> Any:
        import dbm.dumb
        import shelve

        return shelve.Shelf(dbm.dumb.open("value"))  # type: ignore[arg-type]

    def read(self) -> Any:
        with self.open() as shelf:
            return shelf["state"]

    def reopen(self) -> None:
        with self.open() as shelf:
            shelf.get("state")

    def write(self, value: Any, mark: Callable[[str], object] = str) -> None:
        with self.open() as shelf:
            shelf["state"] = OLD  # the first one after opening may sync more than any later one
            mark(BEGINS)
            shelf["state"] = value
            mark(RETURNED)

    def fail(self) -> bool:
        with self.open() as shelf:
            shelf["state"] = NEW
            raise Half


class Sqlite(Contestant):
    """A table of one row."""

    label = "sqlite3"
    remedy = "transactions"

    def open(self) -> Any:
        import sqlite3

        connection = sqlite3.connect(self.file, timeout=60, isolation_level=None)
        connection.execute("CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY, value TEXT)")
        return connection

    def fetch(self, connection: Any) -> Any:
        return json.loads(connection.execute("SELECT value FROM state").fetchone()[0])

    def put(self, connection: Any, value: Any) -> None:
        connection.execute("REPLACE INTO state VALUES (1, ?)", (json.dumps(value),))

    def read(self) -> Any:
        return self.fetch(self.open())

    def reopen(self) -> None:
        self.open().execute("SELECT value FROM state").fetchall()

    def write(self, value: Any, mark: Callable[[str], object] = str) -> None:
        connection = self.open()
        self.put(connection, OLD)
        mark(BEGINS)
        self.put(connection, value)
        mark(RETURNED)

    def add(self) -> None:
        connection = self.open()
        connection.execute("BEGIN IMMEDIATE")
        value = self.fetch(connection)
        value["n"] += 1
        self.put(connection, value)
        connection.execute("COMMIT")

    def fail(self) -> bool:
        with (connection := self.open()):
            connection.execute("BEGIN")
            self.put(connection, NEW)
            raise Half


class Diskcache(Contestant):
    """A cache, as a dict."""

    label = "diskcache"
    file = "cache/cache.db"
    remedy = "`transact()`, `incr()`"

    def open(self) -> Any:
        import diskcache

        return diskcache.Cache("cache")

    def read(self) -> Any:
        with self.open() as cache:
            return cache["state"]

    def reopen(self) -> None:
        with self.open() as cache:
            cache.get("state")

    def write(self, value: Any, mark: Callable[[str], object] = str) -> None:
        with self.open() as cache:
            cache["state"] = OLD
            mark(BEGINS)
            cache["state"] = value
            mark(RETURNED)

    def add(self) -> None:
        with self.open() as cache, cache.transact(retry=True):
            value = cache["state"]
            value["n"] += 1
            cache["state"] = value

    def fail(self) -> bool:
        with self.open() as cache, cache.transact():
            cache["state"] = NEW
            raise Half


class Tinydb(Contestant):
    """A document in a table."""

    label = "TinyDB"

    def read(self) -> Any:
        import tinydb

        with tinydb.TinyDB(self.file) as db:
            (document,) = db.all()
            return dict(document)

    def reopen(self) -> None:
        import tinydb

        with tinydb.TinyDB(self.file) as db:
            db.all()

    def write(self, value: Any, mark: Callable[[str], object] = str) -> None:
        import tinydb

        with tinydb.TinyDB(self.file) as db:
            mark(BEGINS)
            if len(db):
                db.update(value)
            else:
                db.insert(value)
            mark(RETURNED)

    def fail(self) -> bool:
        import tinydb

        with tinydb.TinyDB(self.file) as db:
            db.update(NEW)
            raise Half


class Sqlitedict(Contestant):
    """A dict of pickles in a table."""

    label = "sqlitedict"

    def open(self) -> Any:
        from sqlitedict import SqliteDict

        return SqliteDict(self.file)

    def read(self) -> Any:
        with self.open() as kept:
            return kept["state"]

    def reopen(self) -> None:
        with self.open() as kept:
            kept.get("state")

    def write(self, value: Any, mark: Callable[[str], object] = str) -> None:
        with self.open() as kept:
            kept["state"] = OLD
            kept.commit()
            mark(BEGINS)
            kept["state"] = value
            kept.commit()
            mark(RETURNED)

    def fail(self) -> bool:
        with self.open() as kept:
            kept["state"] = NEW
            raise Half


class OursOnS3(Ours):
    """This package, on S3."""

    label = "atomic_store, `s3://`"
    file = "s3://test-bucket/ours"
    remedy = "compares; `update()`"


class SmartOpenOnS3(SmartOpen):
    """A file that is an object."""

    label = "smart_open, `s3://`"
    file = "s3://test-bucket/smart"

    def read(self) -> Any:
        import smart_open

        with smart_open.open(self.file) as file:
            return json.load(file)


class S3Dictionary(Contestant):
    """A dict that is an object."""

    label = "S3Dictionary"
    file = "s3://test-bucket/dictionary"

    def open(self) -> Any:
        from s3dictionary import S3Dict

        key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
        return S3Dict(bucket_name="test-bucket", access_key_id=key, access_secret_key=secret, file_name="dictionary")

    def read(self) -> Any:
        return dict(self.open())

    def write(self, value: Any, mark: Callable[[str], object] = str) -> None:
        kept = self.open()
        mark(BEGINS)
        kept.update(value)
        kept.save()
        mark(RETURNED)

    def two(self) -> None:
        first, second = self.open(), self.open()
        for kept in (first, second):
            kept["n"] += 1
        first.save()
        second.save()


LOCAL = (Ours(), Original(), Atomicwrites(), Shelve(), Sqlite(), Diskcache(), Tinydb(), Sqlitedict(), SmartOpen())
ON_S3 = (OursOnS3(), S3Dictionary(), SmartOpenOnS3())
CONTESTANTS: dict[str, Contestant] = {contestant.label: contestant for contestant in (*LOCAL, *ON_S3)}


# --- what is tried ---------------------------------------------------------------------------------------------------

# What changes a file, its name or its size; a kill strikes as one of them begins.
CHANGES = (
    "write", "pwrite64", "writev", "pwritev", "ftruncate", "truncate", "rename", "renameat", "renameat2",
    "link", "linkat", "unlink", "unlinkat", "fsync", "fdatasync",
)  # fmt: skip
PLACES = 12  # so many of them are tried, evenly spread, where a commit has more
STRACE = ("strace", "-f", "-qq", "-o")


def step(
    label: str, action: str, directory: Path, *wrapper: str, arguments: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Let one process do one step in a directory."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    if label == Original.label:
        environment["PYTHONPATH"] = os.environ["ORIGINAL"]
    command = [*wrapper, sys.executable, str(Path(__file__).resolve()), "--step", label, action, *arguments]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=120)


def fresh(label: str, parent: Path, name: str) -> Path:
    """Give a directory in which the old value is stored."""
    directory = parent / name
    directory.mkdir()
    done = step(label, "old", directory)
    assert done.returncode == 0, done.stderr
    return directory


def outcomes(label: str, *directories: Path) -> list[str]:
    """Say what a new process finds in each."""
    done = step(label, "read", directories[0], arguments=list(map(str, directories)))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def killed(label: str, parent: Path) -> str:
    """Kill a commit at its changes, one after the other."""
    origin = fresh(label, parent, "origin")
    log = parent / "changes"
    traced = Path(shutil.copytree(origin, parent / "traced"))
    assert step(label, "new", traced, *STRACE, str(log), "-e", f"trace={','.join(CHANGES)}").returncode == 0
    # strace counts each system call by itself.
    calls = Counter(re.findall(r"^\d+ +(\w+)\(", log.read_text(encoding="utf-8"), re.MULTILINE))
    places = [(call, number) for call, count in calls.items() for number in range(1, count + 1)]
    places = places[:: -(-len(places) // PLACES)]

    def kill(place: tuple[str, int]) -> Path | None:
        call, number = place
        directory = Path(shutil.copytree(origin, parent / f"{call}-{number}"))
        inject = f"inject={call}:signal=KILL:when={number}"
        done = step(label, "new", directory, *STRACE, os.devnull, "-e", f"trace={call}", "-e", inject)
        return directory if done.returncode else None

    with ThreadPoolExecutor(2) as pool:
        victims = [directory for directory in pool.map(kill, places) if directory]
    found = set(outcomes(label, *victims))
    print(f"{label}: killed at {len(victims)} places, found {', '.join(sorted(found))}", file=sys.stderr)
    return "old or new" if found <= {"old", "new"} else f"**{' or '.join(sorted(found - {'old', 'new'}))}**"


def synced(label: str, parent: Path) -> str:
    """See what a commit has synced between its begin and its return."""
    directory = fresh(label, parent, "synced")
    log = parent / "syncs"
    done = step(label, "new", directory, *STRACE, str(log), "-y", "-s", "99", "-e", "trace=fsync,fdatasync,write")
    assert done.returncode == 0, done.stderr
    _, begins, during = log.read_text(encoding="utf-8").partition(BEGINS)
    during, returned, _ = during.partition(RETURNED)
    assert begins
    assert returned
    paths = re.findall(r"(?:fsync|fdatasync)\(\d+<([^>]*)>", during)
    kinds = {"name" if os.path.isdir(path) else "file" for path in paths if path.startswith(str(directory))}
    return " and ".join(sorted(kinds)) or "**nothing**"


def failed(label: str, parent: Path) -> str:
    """Let a block write, and raise."""
    directory = fresh(label, parent, "failed")
    done = step(label, "fail", directory)
    if done.stdout.strip() == "no block":
        return "no block"
    assert done.stdout.strip() == "raised", done.stderr
    return {"old": "nothing", "new": "**the value**"}.get(*outcomes(label, directory), "**half of it**")


def kept(label: str, parent: Path) -> tuple[str, str]:
    """Write through a symbolic link, over a file of another mode."""
    directory = fresh(label, parent, "kept")
    file = directory / CONTESTANTS[label].file
    os.chmod(file, 0o640)
    aside = file.with_name("aside")
    file.rename(aside)
    file.symlink_to("aside")
    assert step(label, "new", directory).returncode == 0
    link = "stays" if file.is_symlink() and outcomes(label, directory) == ["new"] else "**is replaced**"
    mode = stat.S_IMODE(file.stat().st_mode)
    return link, "stays" if mode == 0o640 else f"**becomes {mode:04o}**"


def two(label: str, parent: Path) -> str:
    """Let two writers add 1 to 1, first plainly, then many with the remedy."""
    directory = fresh(label, parent, "two")
    assert step(label, "two", directory).returncode == 0
    done = step(label, "number", directory)
    assert done.stdout.strip() == "2", (label, done)  # 3 would be right
    remedy = CONTESTANTS[label].remedy
    if remedy is None:
        return "nothing"
    with ThreadPoolExecutor(4) as pool:
        assert all(each.returncode == 0 for each in pool.map(lambda _: step(label, "add", directory), range(4)))
    done = step(label, "number", directory)
    assert done.stdout.strip() == "82", (label, done)  # 4 times 20 more
    return remedy


def emptied(label: str, parent: Path) -> str:
    """Find the file empty."""
    directory = fresh(label, parent, "emptied")
    os.truncate(directory / CONTESTANTS[label].file, 0)
    done = step(label, "open", directory)
    return "an error" if done.returncode else "**an empty store**"


COLUMNS = (
    "",
    "after `kill -9`",
    "synced",
    "a block that raises writes",
    "a link",
    "the mode",
    "against lost updates",
    "an empty file is",
)


def row(label: str) -> tuple[str, ...]:
    """Try out one contestant."""
    with tempfile.TemporaryDirectory() as name:
        parent = Path(os.path.realpath(name))
        link, mode = kept(label, parent)
        return (
            label,
            killed(label, parent),
            synced(label, parent),
            failed(label, parent),
            link,
            mode,
            two(label, parent),
            emptied(label, parent),
        )


COLUMNS_ON_S3 = (
    "",
    "the second of two writers",
    "against lost updates",
    "a block that raises writes",
    "an empty object is",
    "to read it asks for",
)


def row_on_s3(label: str, parent: Path) -> tuple[str, ...]:
    """Try out one contestant on the server that the environment names."""
    directory = fresh(label, parent, label.partition(",")[0])
    asks = step(label, "requests", directory).stdout.strip()
    done = step(label, "two", directory)
    if done.returncode:
        assert "ConflictError" in done.stderr, done.stderr
    second = "gets an error" if done.returncode else "**overwrites**"
    assert step(label, "old", directory).returncode == 0
    remedy = CONTESTANTS[label].remedy
    if remedy is not None:
        with ThreadPoolExecutor(2) as pool:
            assert all(each.returncode == 0 for each in pool.map(lambda _: step(label, "add", directory), range(2)))
        assert step(label, "number", directory).stdout.strip() == "41"
    assert step(label, "old", directory).returncode == 0
    said = step(label, "fail", directory).stdout.strip()
    written = {"old": "nothing", "new": "**the value**"}.get(*outcomes(label, directory), "**half of it**")
    assert step(label, "empty", directory).returncode == 0
    empty = "an error" if step(label, "open", directory).returncode else "**an empty store**"
    return (label, second, remedy or "nothing", said if said == "no block" else written, empty, asks)


def rows_on_s3() -> list[tuple[str, ...]]:
    """Try out all of them on a server of this machine."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    import s3_servers

    with tempfile.TemporaryDirectory() as name, s3_servers.ministack(Path(name)) as server:
        s3_servers.make_bucket(server, "test-bucket")
        os.environ.update(server.environment)
        return [row_on_s3(contestant.label, Path(name)) for contestant in ON_S3]


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Give a table of the page."""
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


def tables() -> list[str]:
    """Try out all contestants, and give both tables of the page."""
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(row, [contestant.label for contestant in LOCAL]))
    return [table(COLUMNS, rows), table(COLUMNS_ON_S3, rows_on_s3())]


# --- one step --------------------------------------------------------------------------------------------------------


def take(contestant: Contestant, action: str, directories: list[str]) -> None:
    """Do what a process of step() is for."""
    if action in ("old", "new"):
        contestant.write(OLD if action == "old" else NEW, lambda text: os.write(2, text.encode()))
    elif action == "read":
        for directory in directories:
            os.chdir(directory)
            print(found(contestant))
    elif action == "open":
        contestant.reopen()
    elif action == "requests":
        print(requests(contestant))
    elif action == "empty":
        import boto3

        boto3.client("s3").put_object(Bucket="test-bucket", Key=contestant.file.rpartition("/")[2], Body=b"")
    elif action == "fail":
        try:
            print("no block" if not contestant.fail() else "swallowed")
        except Half:
            print("raised")
    elif action == "two":
        contestant.two()
    elif action == "add":
        for _ in range(20):
            contestant.add()
    elif action == "number":
        print(contestant.read()["n"])


def found(contestant: Contestant) -> str:
    """Say which value is there."""
    try:
        value = contestant.read()
    except Exception:
        return "an error"
    return {json.dumps(OLD): "old", json.dumps(NEW): "new"}.get(json.dumps(value), "half")


def requests(contestant: Contestant) -> str:
    """Say what reading asks S3 for."""
    from botocore.client import BaseClient

    asked: list[str] = []
    original = BaseClient._make_api_call

    def record(self: Any, operation: str, parameters: Any) -> Any:
        asked.append(operation)
        return original(self, operation, parameters)

    BaseClient._make_api_call = record
    contestant.read()
    return ", ".join(dict.fromkeys(asked))


def main(arguments: list[str]) -> None:
    """Compare the page with what was found, or write it there."""
    if arguments[:1] == ["--step"]:
        take(CONTESTANTS[arguments[1]], arguments[2], arguments[3:])
        return
    page = PAGE.read_text(encoding="utf-8")
    written = re.findall(r"(?<=<!-- tried out -->\n\n)(?:\|.*\n)+", page)
    found = tables()
    print(*found, sep="\n")
    if arguments == ["--write"]:
        for old, new in zip(written, found, strict=True):
            page = page.replace(old, new)
        PAGE.write_text(page, encoding="utf-8")
    elif written != found:
        sys.exit(f"{PAGE.relative_to(ROOT)} says something else:\n" + "\n".join(written))


if __name__ == "__main__":
    main(sys.argv[1:])
