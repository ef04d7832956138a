"""Damaged files, values that no format takes, options that make no sense: a clear error each time, and nothing lost."""

from __future__ import annotations

import contextlib
import copy
import errno
import json
import os
import pickle
import struct
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bson
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_ins import Files, Strings, by_hand, directories_cannot_be_synced, inside
from support import require

import atomic_store
from atomic_store import LoadError


class Numbers(pydantic.RootModel[dict[str, int]]):
    """A type that is pydantic's own."""


SAMPLE = {"name": "Zoë", "numbers": [1, 2.5, None, -(2**40)], "more": {"empty": [], "true": True, "text": "x" * 40}}
BUILT_IN = ["json", "pickle", "bson"]
DEEP = 100_000  # levels of nesting, more than any of the parsers follows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "value"


def encoded(format: str, value: Any = SAMPLE) -> bytes:
    """What a store of this format writes."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "value")
        atomic_store.open(path, default=value, format=format).commit()
        return path.read_bytes()


def refuse(path: Path, format: Any, content: bytes, label: str | None = None) -> LoadError:
    """Damage the file under an open store and before a new one: both must tell, and change nothing; give the error."""
    path.unlink(missing_ok=True)
    store = atomic_store.open(path, default="as it was", format=format)
    path.write_bytes(content)
    before = path.stat()
    with pytest.raises(LoadError):
        store.reload()
    assert store.value == "as it was"
    assert not store.stored
    with pytest.raises(LoadError) as caught:
        atomic_store.open(path, default="never this", format=format)
    error = caught.value
    assert (error.path, error.format, error.size) == (path, label or format, len(content))
    assert repr(path) in str(error)
    assert f"format {label or format}" in str(error)
    assert (f"{len(content)} bytes" if content else "empty" if error.__cause__ is None else "0 bytes") in str(error)
    assert path.read_bytes() == content
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert inside(path.parent) == [path.name]
    return error


# --- damaged content -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", BUILT_IN)
def test_control_sample_is_read(path: Path, format: str) -> None:
    """Control: what the following tests damage is read as long as it is whole."""
    path.write_bytes(encoded(format))
    assert atomic_store.open(path, format=format).value == SAMPLE


@pytest.mark.parametrize("format", BUILT_IN)
def test_file_cut_anywhere_is_not_taken_for_a_value(path: Path, format: str) -> None:
    """Cut after each of its bytes, beginning with none, a file is a LoadError, and stays as it was."""
    whole = encoded(format)
    for size in range(len(whole)):
        error = refuse(path, format, whole[:size])
        assert isinstance(error.__cause__, Exception)


@pytest.mark.parametrize("format", BUILT_IN)
@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: bytes(len(whole)),
        lambda whole: whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2),
        lambda whole: whole + bytes(512),
        lambda whole: whole + whole,
        lambda whole: whole + b"x",
        lambda whole: b"\xff" * len(whole),
        lambda whole: b"garbage",
        lambda whole: b"<html><body>503 Service Unavailable</body></html>",
        lambda whole: b"\x1f\x8b\x08" + whole,
        lambda whole: whole[1:],
        lambda whole: whole.decode("latin-1").encode("utf-16"),
    ],
    ids=[
        "zeros",
        "zeros in the end",
        "zeros behind",
        "twice",
        "a byte more",
        "ones",
        "words",
        "page",
        "gzip",
        "headless",
        "wide",
    ],
)
def test_garbage_is_not_taken_for_a_value(path: Path, format: str, damage: Callable[[bytes], bytes]) -> None:
    """What a crash, a full disk, another program or a proxy leaves behind is a LoadError with its cause."""
    assert isinstance(refuse(path, format, damage(encoded(format))).__cause__, Exception)


@pytest.mark.parametrize("format", ["pickle", "bson"])
@pytest.mark.parametrize("more", [b"\0", b".", b"\n", b"\0" * 4096])
def test_bytes_behind_a_document_are_damage(path: Path, format: str, more: bytes) -> None:
    """What follows the end of a pickle or of a BSON document shows that the file is not what was written."""
    refuse(path, format, encoded(format) + more)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-32", "cp037"])
def test_text_in_another_encoding_is_not_guessed(path: Path, encoding: str) -> None:
    """JSON in any other encoding than UTF-8 is a LoadError, not mojibake."""
    refuse(path, "json", json.dumps(SAMPLE, ensure_ascii=False).encode(encoding))


@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("json", b"[" * DEEP + b"]" * DEEP),
        ("json", b"1" * 5000),  # an int of more digits than Python converts
        ("pickle", b"\x80\x04\x8e" + struct.pack("<Q", 2**62)),  # asks for more memory than there is
        ("pickle", b"cnowhere\nto_be_found\n."),
        ("pickle", b"cos\nno_such_name\n."),
        ("bson", struct.pack("<i", 5) + b"\1"),
    ],
    ids=["deep", "long", "huge", "no module", "no name", "no end"],
)
def test_content_that_breaks_its_parser_is_a_load_error(path: Path, format: str, content: bytes) -> None:
    """RecursionError, MemoryError, ImportError: whatever the parser ends in, programs catch one error."""
    assert isinstance(refuse(path, format, content).__cause__, Exception)


def test_memory_that_a_damaged_file_has_taken_is_not_told_without_a_path(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the claim of a pickle leaves no memory for reading on, that is a LoadError as well."""
    path.write_bytes(pickle.dumps([1] * 100))

    def exhausted(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr("atomic_store.locations.local.Reader.read", exhausted)
    with pytest.raises(LoadError, match="MemoryError") as caught:
        atomic_store.open(path, format="pickle")
    assert isinstance(caught.value.__cause__, MemoryError)
    assert (caught.value.path, caught.value.format) == (path, "pickle")


def test_length_that_a_file_claims_is_not_believed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle of 30 bytes that claims to hold 256 MB is read by pieces: nobody sets that much memory aside twice."""
    path.write_bytes(b"\x80\x04\x8e" + struct.pack("<Q", 1 << 28) + b"x" * 16)
    read, sizes = os.read, []

    def watched(descriptor: int, size: int) -> bytes:
        sizes.append(size)
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", watched)
    with pytest.raises(LoadError):
        atomic_store.open(path, format="pickle")
    assert sizes
    assert max(sizes) <= 1 << 20


def test_empty_file_says_what_to_do(path: Path) -> None:
    """The message for an empty file leads to the two ways out: restore it, or delete it."""
    for format in BUILT_IN:
        assert "restore" in str(refuse(path, format, b""))


def test_error_of_the_parser_can_be_told(path: Path) -> None:
    """The format's own exception is the cause, and its type and text are in the message: line 2 is damaged."""
    error = refuse(path, "json", b"[1,\n2")
    assert isinstance(error.__cause__, json.JSONDecodeError)
    assert "JSONDecodeError: Expecting ',' delimiter: line 2 column 2" in str(error)


def test_programs_mistake_is_not_blamed_on_the_file(path: Path) -> None:
    """A misspelled keyword, a class that was moved: told as such, and nobody is advised to delete a sound file."""
    by_hand(path, 1)
    with pytest.raises(LoadError, match=r"TypeError: .*'nope'") as caught:
        atomic_store.open(path, load_kwargs={"nope": 1})
    assert isinstance(caught.value.__cause__, TypeError)
    for error in (caught.value, refuse(path, "pickle", b"cnowhere\nto_be_found\n.")):
        assert not error.damaged
        assert "delete" not in str(error)
    damaged = refuse(path, "json", b"[1,")
    assert damaged.damaged
    assert "delete it to begin with the default" in str(damaged)


class Unspeakable(Exception):
    """An error that cannot say what is wrong, as plistlib's of a huge number."""

    def __str__(self) -> str:
        raise OverflowError("int too large to convert")


def test_exception_that_cannot_be_shown_is_no_trouble(path: Path) -> None:
    """An exception whose str() raises is wrapped like any other, by its type."""

    def loads(content: Any) -> Any:
        raise Unspeakable

    error = refuse(path, Strings(str, loads), b"x", "Strings")
    assert "Unspeakable: (its message cannot be shown)" in str(error)
    assert isinstance(error.__cause__, Unspeakable)


def test_exception_without_a_word_is_named(path: Path) -> None:
    """An exception without a text is told by its type alone."""

    def loads(content: Any) -> Any:
        raise LookupError

    assert "refuses it: LookupError." in str(refuse(path, Strings(str, loads), b"x", "Strings"))


def test_message_does_not_carry_the_file_into_a_log(path: Path) -> None:
    """What a parser or a validator says is cut where it holds the content; the cause has all of it."""

    def loads(content: Any) -> Any:
        raise ValueError(f"cannot read {content!r}")

    content = b"x" * 100_000
    error = refuse(path, Strings(str, loads), content, "Strings")
    assert len(str(error)) < 3000
    assert len(str(error.__cause__)) > 100_000
    path.write_text(json.dumps({"x" * 100_000: "no int"}))
    with pytest.raises(LoadError, match="valid integer") as caught:
        atomic_store.open(path, Numbers({}), type=Numbers)
    assert len(str(caught.value)) < 3000


def test_interrupt_while_loading_is_no_damage(path: Path) -> None:
    """Ctrl-C during a load is a KeyboardInterrupt, not a LoadError."""

    def loads(content: Any) -> Any:
        raise KeyboardInterrupt

    path.write_text("x")
    with pytest.raises(KeyboardInterrupt):
        atomic_store.open(path, format=Strings(str, loads))


# --- damaged content that the program wants out of the way -----------------------------------------------------------


def kept_aside(path: Path) -> list[bytes]:
    """What has been moved out of the way of this store."""
    return [other.read_bytes() for other in path.parent.iterdir() if other.name.startswith(f"{path.name}.corrupt-")]


@pytest.mark.parametrize("content", [b"", b"[1,", b"garbage", b"[1]" + bytes(9)])
def test_quarantine_keeps_every_byte(path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """With on_corrupt="quarantine" a damaged file is renamed, told about twice, and the store begins with the default."""
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="kept as .*corrupt-") as warned:
        store = atomic_store.open(path, default=["default"], on_corrupt="quarantine")
    assert warned[0].filename == __file__
    assert str(path) in caplog.text
    assert store.value == ["default"]
    assert not store.stored
    assert not path.exists()
    store.commit()
    assert kept_aside(path) == [content]
    assert store.reload() == ["default"]


def test_quarantine_works_at_a_reload_and_inside_a_lock(path: Path) -> None:
    """What gets damaged while the store is open is moved out of the way as well, also by the holder of the lock."""
    store = atomic_store.open(path, default=0, lock=True, on_corrupt="quarantine")
    path.write_bytes(b"[1,")
    with pytest.warns(UserWarning, match="kept"), store:
        store.value += 1
    path.write_bytes(b"[2,")
    with pytest.warns(UserWarning, match="kept"):
        store.update(lambda value: value + 10)
    path.write_bytes(b"[3,")
    with pytest.warns(UserWarning, match="kept"):
        assert store.reload() == 0
    assert sorted(kept_aside(path)) == [b"[1,", b"[2,", b"[3,"]


def test_quarantine_is_not_for_the_programs_mistakes(path: Path) -> None:
    """A file that may be sound stays where it is: a misspelled keyword is a LoadError, and moves nothing."""
    by_hand(path, 1)
    with pytest.raises(LoadError, match="nope"):
        atomic_store.open(path, load_kwargs={"nope": 1}, on_corrupt="quarantine")
    assert path.read_bytes() == b"1"


def test_quarantine_of_an_error_that_cannot_be_shown_works(path: Path) -> None:
    """An exception whose str() raises keeps the store from nothing: the bytes are aside, the default is there."""

    def loads(content: Any) -> Any:
        raise Unspeakable

    path.write_bytes(b"x")
    with pytest.warns(UserWarning, match="Unspeakable"):
        store = atomic_store.open(path, default="default", format=Strings(str, loads), on_corrupt="quarantine")
    assert store.value == "default"
    assert kept_aside(path) == [b"x"]


def test_quarantine_does_not_move_what_was_mended_meanwhile(path: Path) -> None:
    """If somebody replaces the damaged file before it is moved, theirs is read and nothing is moved."""

    def loads(content: Any) -> Any:
        if content == b"bad":
            path.write_bytes(b"good")
        if content != b"good":
            raise ValueError("damaged")
        return "good"

    path.write_bytes(b"bad")
    store = atomic_store.open(path, format=Strings(str, loads), is_binary=True, on_corrupt="quarantine")
    assert store.value == "good"
    assert store.stored
    assert kept_aside(path) == []


@pytest.mark.parametrize("on_corrupt", [None, "default", "Quarantine", True])
def test_unknown_way_to_treat_damage_is_refused(path: Path, on_corrupt: Any) -> None:
    """A misspelled on_corrupt= is a ValueError at open()."""
    with pytest.raises(ValueError, match='"raise" or "quarantine"'):
        atomic_store.open(path, on_corrupt=on_corrupt)


# --- the disk that cannot be read ------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", [*BUILT_IN, Files(print, str), (str, str)])
def test_read_error_is_no_damage(format: Any) -> None:
    """An EIO of the disk while loading is an OSError with the path, never a LoadError that tells to delete the file."""
    path = "/proc/self/mem"  # a plain file whose first page cannot be read, on any Linux
    require(os.path.exists(path), "needs Linux' /proc")
    with pytest.raises(OSError) as caught:
        atomic_store.open(path, default=1, format=format)
    assert not isinstance(caught.value, LoadError)
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, path)


def test_read_error_half_way_is_no_damage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for each read of a pickle that is read in pieces; the store keeps its value."""
    store = atomic_store.open(path, default=["x" * 50_000, *range(200_000)], format="pickle")
    store.commit()
    read, works, calls = os.read, sys.maxsize, 0

    def failing(descriptor: int, size: int) -> bytes:
        nonlocal calls
        calls += 1
        if calls > works:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", failing)
    expected = copy.deepcopy(store.reload())
    needed = calls
    assert needed > 2, "control: there is more than one read to fail"
    for n in range(needed):
        works, calls = n, 0
        with pytest.raises(OSError) as caught:
            store.reload()
        assert not isinstance(caught.value, LoadError)
        assert (caught.value.errno, caught.value.filename) == (errno.EIO, path)
        assert store.value == expected


class FailsToWake:
    """Its pickle can be made, and its loading raises an OSError that has nothing to do with the store's disk."""

    def __reduce__(self) -> Any:
        return os.listdir, ("/nowhere/to/be/found",)


def test_error_of_a_value_that_looks_like_the_disks_is_a_refusal(path: Path) -> None:
    """An OSError that the format itself raises is about the content: a LoadError."""
    error = refuse(path, "pickle", pickle.dumps(FailsToWake()))
    assert isinstance(error.__cause__, FileNotFoundError)


# --- values and options that a format does not take ------------------------------------------------------------------


def cycle() -> list[Any]:
    """A list that contains itself."""
    ring: list[Any] = []
    ring.append(ring)
    return ring


def deep() -> Any:
    """A list inside a list inside a list ..."""
    value: list[Any] = []
    for _ in range(DEEP):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("format", "value", "error", "options"),
    [
        ("json", object, TypeError, {}),
        ("json", lambda: {1, 2}, TypeError, {}),
        ("json", lambda: b"bytes", TypeError, {}),
        ("json", lambda: {(1, 2): 3}, TypeError, {}),
        ("json", lambda: [1, {"a": [2, object()]}], TypeError, {}),
        ("json", cycle, ValueError, {}),
        ("json", deep, RecursionError, {}),
        ("json", lambda: 10**5000, ValueError, {}),
        ("json", lambda: float("nan"), ValueError, {"allow_nan": False}),
        ("json", lambda: "\udc80", UnicodeEncodeError, {"ensure_ascii": False}),
        ("json", lambda: 1, TypeError, {"nope": 1}),
        ("pickle", lambda: lambda: None, (AttributeError, pickle.PicklingError), {}),
        ("pickle", threading.Lock, TypeError, {}),
        ("pickle", lambda: [1, (n for n in range(3))], TypeError, {}),
        ("pickle", lambda: 1, ValueError, {"protocol": 99}),
        ("pickle", lambda: 1, TypeError, {"nope": 1}),
        ("bson", lambda: {"a": {1, 2}}, bson.errors.InvalidDocument, {}),
        ("bson", lambda: {1: 2}, bson.errors.InvalidDocument, {}),
        ("bson", lambda: {"a": 2**70}, OverflowError, {}),
        ("bson", lambda: [1], TypeError, {}),
        ("bson", lambda: {"a": 1}, TypeError, {"nope": 1}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_value_that_cannot_be_written_costs_nothing(
    path: Path, format: str, value: Callable[[], Any], error: Any, options: dict[str, Any]
) -> None:
    """The format's own exception comes out, noting path and format; the old value is whole and the next commit works."""
    atomic_store.open(path, default={"old": 1}, format=format).commit()
    before = path.read_bytes()
    store = atomic_store.open(path, format=format, dump_kwargs=options)
    store.value = value()
    with pytest.raises(error) as caught:
        store.commit()
    assert type(caught.value) in (error if isinstance(error, tuple) else (error,))
    assert any(repr(path) in note and f"format {format}" in note for note in caught.value.__notes__)
    assert path.read_bytes() == before
    assert inside(path.parent) == ["value"]
    store.value = {"new": 1}
    store.dump_kwargs = {}
    store.commit()
    assert store.reload() == {"new": 1}


@pytest.mark.parametrize("format", BUILT_IN)
def test_first_value_that_cannot_be_written_creates_nothing(path: Path, format: str) -> None:
    """A first commit that fails leaves no file, neither the store's nor a temporary one."""
    store = atomic_store.open(path, format=format)
    store.value = {"a": object(), "b": lambda: None}
    with pytest.raises(Exception) as caught:
        store.commit()
    assert not isinstance(caught.value, atomic_store.AtomicStoreError)
    assert inside(path.parent) == []


# --- every error survives being sent to another process --------------------------------------------------------------


def make_load_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("[1,")
    atomic_store.open(path)


def make_location_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic_store.open("")


def make_format_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic_store.open(path, format=(lambda value: "", json.loads)).commit()


def make_missing_library_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bson", None)
    atomic_store.open(path, format="bson")


def make_conflict_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_hand(path, 1)
    store = atomic_store.open(path, on_conflict="raise")
    by_hand(path, 2)
    store.commit()


def make_lock_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with atomic_store.open(path, lock=True), atomic_store.open(path, lock=True):
        pass


def make_lock_timeout(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with atomic_store.open(path, lock=True), ThreadPoolExecutor(1) as other:
        other.submit(atomic_store.open(path, lock=0).commit).result()


def make_uncertain_commit_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directories_cannot_be_synced(monkeypatch)
    atomic_store.open(path, default=1, on_conflict="raise").commit()


def make_root(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic_store.open(path).__exit__(None, None, None)


MAKERS: dict[str, Callable[[Path, pytest.MonkeyPatch], None]] = {
    "AtomicStoreError": make_root,
    "ConflictError": make_conflict_error,
    "FormatError": make_format_error,
    "LoadError": make_load_error,
    "LocationError": make_location_error,
    "LockError": make_lock_error,
    "LockTimeout": make_lock_timeout,
    "MissingLibraryError": make_missing_library_error,
    "UncertainCommitError": make_uncertain_commit_error,
}


def evidence(error: Any) -> dict[str, Any]:
    """All that an error tells."""
    names = (
        "errno",
        "filename",
        "strerror",
        "path",
        "format",
        "size",
        "expected",
        "found",
        "version",
        "damaged",
        "__notes__",
    )
    return {name: getattr(error, name) for name in names if hasattr(error, name)} | {"args": error.args, "str": str(error)}


@pytest.mark.parametrize("name", [name for name in atomic_store.__all__ if name.endswith(("Error", "Timeout"))])
def test_error_of_any_class_comes_home(name: str) -> None:
    """Each error class that the library exports can be pickled and copied, also as a program raises it in its own tests."""
    error = getattr(atomic_store, name)("it went wrong")
    error.add_note("a note")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert isinstance(again, atomic_store.AtomicStoreError)
        assert (again.args, str(again), again.__dict__) == (error.args, str(error), error.__dict__)


@pytest.mark.parametrize("name", MAKERS)
def test_error_keeps_its_evidence_on_its_way_home(name: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raised for real, then pickled as a worker process does, an error has its type, text, notes and attributes still."""
    with pytest.raises(getattr(atomic_store, name)) as caught:
        MAKERS[name](path, monkeypatch)
    error = caught.value
    assert type(error).__name__ == name
    told = evidence(error)
    told_to_a_person = "".join(traceback.format_exception_only(error))
    assert str(path) in told_to_a_person or name == "LocationError"  # of a path that is empty
    for again in (*(pickle.loads(pickle.dumps(error, protocol)) for protocol in (2, 3, 4, 5)), copy.copy(error)):
        assert type(again) is type(error)
        assert evidence(again) == told


@pytest.mark.parametrize(
    ("name", "evidence_of"),
    [
        ("LoadError", ("path", "format", "size")),
        ("ConflictError", ("path", "expected", "found")),
        ("UncertainCommitError", ("version", "errno", "filename")),
    ],
)
def test_evidence_is_there_at_all(
    name: str, evidence_of: tuple[str, ...], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: what should survive is not None to begin with."""
    with pytest.raises(getattr(atomic_store, name)) as caught:
        MAKERS[name](path, monkeypatch)
    assert None not in [getattr(caught.value, each) for each in evidence_of]


# --- whatever the value, whatever the bytes --------------------------------------------------------------------------

# Deterministic, for a test that fails must fail again; each example syncs a file, so a hundred of them are enough.
generated = settings(max_examples=100, deadline=None, derandomize=True, database=None)

texts = st.text(st.characters())  # lone surrogates, too
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
)
pickle_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | st.binary() | st.datetimes(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.integers() | texts | st.tuples(st.binary()), inner)
        | st.frozensets(st.integers() | texts)
    ),
)


def same(value: Any, again: Any) -> bool:
    """Say whether two values are the same, types and order and the sign of zero included."""
    return repr(value) == repr(again) or (value == again and "set" in repr(value))


@generated
@given(value=json_values)
def test_no_json_value_changes_on_its_way(value: Any) -> None:
    """Every value that JSON can hold comes back from a real file as it was."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "value")
        with atomic_store.open(path) as store:
            store.value = value
        assert same(atomic_store.open(path).value, value)


@generated
@given(value=pickle_values)
def test_no_pickled_value_changes_on_its_way(value: Any) -> None:
    """Every value of built-in types comes back from a real file as it was."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "value")
        with atomic_store.open(path, format="pickle") as store:
            store.value = value
        assert same(atomic_store.open(path, format="pickle").value, value)


@generated
@given(content=st.binary(max_size=60) | texts.map(lambda text: text.encode("utf-8", "surrogatepass")))
@pytest.mark.parametrize("format", ["json", "bson"])
def test_no_bytes_raise_anything_but_a_load_error(format: str, content: bytes) -> None:
    """Whatever stands in the file, open() gives a value or a LoadError, and leaves the bytes alone."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "value")
        path.write_bytes(content)
        with contextlib.suppress(LoadError):
            atomic_store.open(path, format=format)
        assert path.read_bytes() == content


@pytest.mark.parametrize("format", ["json", "bson"])
def test_no_flipped_bit_raises_anything_but_a_load_error(format: str, path: Path) -> None:
    """With any one bit of a real file flipped, open() gives a value or a LoadError."""
    whole = encoded(format)
    refused = 0
    for bit in range(8 * len(whole)):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        try:
            atomic_store.open(path, format=format)
        except LoadError:
            refused += 1
    assert refused > len(whole), "control: some flips are refused"
