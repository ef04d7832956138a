"""What type checkers say of the public names: mypy and pyright read this file, and nothing ever runs it.

A line that must be refused carries an ignore with mypy's name for the error. An ignore that is not needed is an error
itself, so each of these lines is known to be refused, by both.
"""

from __future__ import annotations

import csv
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import IO, Any, Literal, assert_type

import atomic_store
from atomic_store import (
    AbstractFormatBstr,
    AbstractFormatFile,
    AccessError,
    AtomicStore,
    AtomicStoreError,
    ConflictError,
    FormatError,
    LoadError,
    LocalFile,
    LocationError,
    LockError,
    LockTimeout,
    MissingLibraryError,
    S3Object,
    SignatureError,
    UncertainCommitError,
    VersionError,
    WrapBinaryFormat,
    atomic_write,
    check,
    open_dict,
)


class Settings(AtomicStore[dict[str, int]]):
    """A store with a method of its own."""

    def total(self) -> int:
        """Sum up."""
        return sum(self.value.values())


def block_of_a_subclass() -> None:
    """A block gives the store that it was asked of, with its own methods."""
    with Settings("a") as settings:
        assert_type(settings, Settings)
        assert_type(settings.total(), int)


def opening(home: Path, entry: os.PathLike[bytes]) -> None:
    """Take every kind of path and format, the seven parameters by position too."""
    assert_type(atomic_store.open("runs.json"), AtomicStore[Any])
    assert_type(atomic_store.open(b"runs.json", default=[]), AtomicStore[Any])
    assert_type(atomic_store.open(home / "runs.json", {}, None, None, None, None, True), AtomicStore[Any])
    assert_type(atomic_store.open(entry, format="pickle", is_binary=True), AtomicStore[Any])
    assert_type(atomic_store.open("a", format=json, dump_kwargs={"indent": 2}, load_kwargs={}), AtomicStore[Any])
    assert_type(atomic_store.open("a", format=WrapBinaryFormat(pickle)), AtomicStore[Any])
    assert_type(atomic_store.open(LocalFile("a", mode=0o600, follow_symlinks=False)), AtomicStore[Any])
    assert_type(AtomicStore[Any]("a", [], json, None, {}, {}, False), AtomicStore[Any])
    assert_type(atomic_store.open("a", format=(json.dumps, json.loads)), AtomicStore[Any])
    assert_type(atomic_store.open("a", lock=True, on_conflict="overwrite"), AtomicStore[Any])
    assert_type(atomic_store.open("a", lock=2.5, on_conflict=None), AtomicStore[Any])
    assert_type(AtomicStore[int]("a", 0, lock=0, on_conflict="raise"), AtomicStore[int])

    atomic_store.open()  # type: ignore[call-overload]
    atomic_store.open(3)  # type: ignore[call-overload]
    atomic_store.open("a", is_binary="yes")  # type: ignore[call-overload]
    atomic_store.open("a", dump_kwargs=[2])  # type: ignore[call-overload]
    atomic_store.open("a", load_kwargs="indent")  # type: ignore[call-overload]
    atomic_store.open("a", ignore_inner_exit=True)  # type: ignore[call-overload]
    atomic_store.open("a", lock="yes")  # type: ignore[call-overload]
    atomic_store.open("a", on_conflict=True)  # type: ignore[call-overload]
    atomic_store.open("a", None, None, None, None, None, False, True)  # type: ignore[call-overload]
    LocalFile("a", mode="rw-------")  # type: ignore[arg-type]
    LocalFile(None)  # type: ignore[arg-type]
    LocalFile("a", fsync="directory")  # type: ignore[arg-type]
    assert_type(atomic_store.open(S3Object("bucket", "key", None, {"ACL": "private"}, print)), AtomicStore[Any])
    assert_type(S3Object("bucket", key="key").abort_stale_uploads(older_than=60), int)
    S3Object("bucket")  # type: ignore[call-arg]
    S3Object("bucket", b"key")  # type: ignore[arg-type]


def using(store: AtomicStore[Any], numbers: AtomicStore[list[int]]) -> None:
    """Know the type of the value, of the attributes and of what each method gives back."""
    assert_type(store.value, Any)
    store.value = [1]
    assert_type(numbers.value, list[int])
    assert_type(numbers.value[0], int)
    numbers.value.append(1)
    assert_type(store.stored, bool)
    assert_type(store.level, int)
    assert_type(store.is_binary, bool)
    assert_type(store.load_kwargs, dict[str, Any])
    assert_type(store.dump_kwargs, dict[str, Any])
    assert_type(numbers.reload(), list[int])
    with numbers as entered:
        assert_type(entered, AtomicStore[list[int]])
    assert_type(store.ignore_inner_exits, bool | None)
    assert_type(store.path, Any)
    assert_type(store.format, Any)
    store.ignore_inner_exits = True
    store.level = 0
    store.path = LocalFile("b")
    store.path = b"b"
    store.format = pickle
    store.is_binary = True
    store.load_kwargs = {}
    store.dump_kwargs = {"protocol": 2}
    assert_type(numbers.update(lambda value: [*value, 1]), list[int])
    assert_type(numbers.changed(), bool)
    numbers.delete()
    numbers.commit()

    numbers.value = "one"  # type: ignore[assignment]
    numbers.value.append("one")  # type: ignore[arg-type]
    numbers.valeu = []  # type: ignore[attr-defined]
    store.commit(True)  # type: ignore[call-arg]
    store.path = 3  # type: ignore[assignment]
    store.is_binary = "no"  # type: ignore[assignment]
    store.dump_kwargs = [2]  # type: ignore[assignment]
    numbers.update(lambda value: "one")  # type: ignore[arg-type, return-value]
    numbers.update([1])  # type: ignore[arg-type]


class State:
    """A type of a user's own."""

    runs: int = 0


def typed() -> None:
    """Know the type of the value by type=, and that the default has to be of it."""
    store = atomic_store.open("a", State(), type=State)
    assert_type(store, AtomicStore[State])
    assert_type(store.value, State)
    assert_type(store.value.runs, int)
    assert_type(store.update(lambda state: state), State)
    assert_type(atomic_store.open("a", default=0, format="auto", type=int, on_corrupt="quarantine"), AtomicStore[int])
    assert_type(atomic_store.open("a", type=None), AtomicStore[Any])

    store.value = 1  # type: ignore[assignment]
    store.value.run = 1  # type: ignore[attr-defined]
    atomic_store.open("a", on_corrupt=None)  # type: ignore[call-overload]


class Lines(AbstractFormatFile):
    """A format of a user's own, with files."""

    def dump(self, obj: Any, fp: Any, **kwargs: Any) -> None:
        """Write one line for each item."""
        fp.writelines(f"{line}\n" for line in obj)

    def load(self, fp: Any, **kwargs: Any) -> list[str]:
        """Read the lines."""
        return [str(line) for line in fp]


class Raw(AbstractFormatBstr):
    """A format of a user's own, with strings."""

    def dumps(self, obj: Any, **kwargs: Any) -> bytes:
        """Give the bytes themselves."""
        return bytes(obj)

    def loads(self, binary_string: Any, **kwargs: Any) -> int:
        """Give the number of bytes."""
        return len(binary_string)


class Wrong(AbstractFormatBstr):
    """A format that cannot be one."""

    def dumps(self, obj: Any, **kwargs: Any) -> int:  # type: ignore[override]
        """Give what no file takes."""
        return 1


def formats() -> None:
    """Take formats of a user's own."""
    assert_type(atomic_store.open("a", format=Lines()), AtomicStore[Any])
    assert_type(atomic_store.open("a", format=Raw()), AtomicStore[Any])


def errors() -> None:
    """Catch each error as the standard error that it also is."""
    root: list[type[AtomicStoreError]] = [ConflictError, FormatError, LoadError, LocationError, LockError, LockTimeout]
    root += [MissingLibraryError, UncertainCommitError, AccessError]
    values: list[type[ValueError]] = [LoadError, FormatError, LocationError]
    imports: type[ImportError] = MissingLibraryError
    timeouts: type[TimeoutError] = LockTimeout
    systems: type[OSError] = UncertainCommitError
    refusals: type[PermissionError] = AccessError
    loads: list[type[LoadError]] = [SignatureError, VersionError]
    library: type[FormatError] = MissingLibraryError
    locks: type[LockError] = LockTimeout
    wrong: type[ValueError] = ConflictError  # type: ignore[assignment]
    del root, values, imports, timeouts, systems, refusals, loads, library, locks, wrong


def evidence(load: LoadError, conflict: ConflictError, uncertain: UncertainCommitError) -> None:
    """Know what an error carries."""
    assert_type(load.path, Any)
    assert_type(load.format, str | None)
    assert_type(load.size, int | None)
    assert_type(load.damaged, bool)
    assert_type(conflict.path, Any)
    assert_type(conflict.expected, object)
    assert_type(conflict.found, object)
    assert_type(uncertain.version, object)
    assert_type(uncertain.errno, int | None)

    print(load.offset)  # type: ignore[attr-defined]


def place(location: LocalFile) -> None:
    """Know the place by what it was made of."""
    assert_type(location.mode, int | None)
    assert_type(location.follow_symlinks, bool)
    assert_type(location.fsync, bool | Literal["file"])
    assert_type(location.skip_unchanged, bool)
    assert_type(location.path, str | bytes | os.PathLike[str] | os.PathLike[bytes])


def writing(home: Path, wanted: str) -> None:
    """Know what the block gets by the mode."""
    with atomic_write(home / "a.csv", "w") as text:
        assert_type(text, IO[str])
        csv.writer(text).writerow(["a", 1])
    with atomic_write(LocalFile("a.zip"), overwrite=False) as raw:
        assert_type(raw, IO[bytes])
        zipfile.ZipFile(raw, "w").writestr("a", b"")
        raw.write("text")  # type: ignore[call-overload]
    with atomic_write("a", mode="wb") as raw:
        pickle.dump([1], raw)

    atomic_write("a", "rb")  # type: ignore[call-overload]
    atomic_write("a", wanted)  # type: ignore[call-overload]
    atomic_write(3)  # type: ignore[call-overload]


def mapping(home: Path) -> None:
    """Know a dict, and what it can do besides."""
    d = open_dict(home / "a.json", {"a": 1}, autosave=True, lock=True, format="pickle")
    assert_type(d["a"], Any)
    assert_type(d.autosave, bool)
    assert_type(d.location, Any)
    assert_type(dict(d), dict[Any, Any])
    d["b"] = 2
    d.update({"c": 3}, d=4)
    d |= {"e": 5}
    d.autosave = False
    d.save()
    d.load()
    d.delete()
    with d as entered:
        entered["f"] = 6
    open_dict("a", default=[("pair", 1)], data={})

    open_dict("a", default=3)  # type: ignore[arg-type]
    open_dict(3)  # type: ignore[arg-type]
    d.location = "b"  # type: ignore[misc]


def checking(home: Path) -> None:
    """Know a report."""
    report = check(home / "a.json")
    assert_type(bool(report), bool)
    assert_type(report["locks"], bool)
    assert_type(report.promises, dict[str, bool])
    assert_type(report.findings[0].kept, bool)
    assert_type(report.findings[0].text, str)

    report["locks"] = True  # type: ignore[index]
    check(3)  # type: ignore[arg-type]
