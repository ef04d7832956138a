"""on_corrupt="quarantine": what is moved out of the way, what never is, and what an error in between leaves."""

from __future__ import annotations

import errno
import json
import logging
import os
import pickle
import re
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import seams
from faults import Attack, attacked, descriptors
from machine import public_directory
from stand_ins import Strings
from support import require

import atomic_store
from atomic_store import (
    AtomicStore,
    Compressed,
    ConflictError,
    LoadError,
    LocalFile,
    LockTimeout,
    SignatureError,
    Signed,
    UncertainCommitError,
    Versioned,
    VersionError,
)

CORRUPT = b'{"half": '
KEY = bytes(range(32))
ASIDE = re.compile(r"value\.corrupt-\d{8}T\d{6}Z(-[1-9]\d*)?")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "value"


@dataclass
class State:
    n: int = 1


def asides(path: Path) -> list[bytes]:
    """What was set aside, by name, which is by time; the name is the promised one."""
    found = sorted(each for each in path.parent.iterdir() if ".corrupt-" in each.name)
    assert all(ASIDE.fullmatch(each.name) for each in found)
    return [each.read_bytes() for each in found]


def quarantined(path: Any, default: Any = "default", **options: Any) -> AtomicStore[Any]:
    """Open the store, and see the one warning that says what was done."""
    with pytest.warns(UserWarning, match="no value that the format") as caught:
        store = atomic_store.open(path, default, on_corrupt="quarantine", **options)
    assert len(caught) == 1
    return store


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be a user without rights for the block: root may write anywhere."""
    require(os.geteuid() == 0, "needs root to become another user")
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


# --- what is moved ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", [None, "pickle", "bson", "yaml", "msgpack", "cbor", Compressed(), Versioned("json", 1)])
def test_no_byte_of_a_corrupt_file_is_lost(path: Path, format: Any) -> None:
    """Bytes that the format refuses are kept as they are under another name; the store goes on with the default."""
    content = b"\x81\xa1\xff[}: " + bytes(range(256)) * 300
    path.write_bytes(content)
    store = quarantined(path, {"n": 1}, format=format)
    assert (store.value, store.stored) == ({"n": 1}, False)
    assert not path.exists()
    assert asides(path) == [content]
    store.commit()
    assert store.reload() == {"n": 1}
    assert asides(path) == [content]


def test_empty_file_is_corrupt_as_well(path: Path) -> None:
    """A file that was cut to nothing is set aside too, for its time tells when."""
    path.touch()
    assert quarantined(path).value == "default"
    assert asides(path) == [b""]


def test_earlier_one_is_never_overwritten(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several in one second get a number; the names sort by time."""
    monkeypatch.setattr(time, "strftime", lambda *_: "20260102T030405Z")
    contents = [b"{%d" % n for n in range(12)]
    for content in contents:
        path.write_bytes(content)
        quarantined(path)
    assert sorted(asides(path)) == sorted(contents)
    names = {each.name for each in path.parent.iterdir() if each.name.startswith("value.")}
    first = "value.corrupt-20260102T030405Z"
    assert names == {first, *(f"{first}-{n}" for n in range(1, 12))}
    assert (path.parent / first).read_bytes() == b"{0"


def test_name_is_of_the_time_in_utc(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name tells the second in which it was found, in UTC wherever the machine is."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        monkeypatch.setattr(time, "gmtime", lambda: time.struct_time((2026, 1, 2, 3, 4, 5, 4, 2, 0)))
        path.write_bytes(CORRUPT)
        quarantined(path)
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert (path.parent / "value.corrupt-20260102T030405Z").read_bytes() == CORRUPT


def test_it_is_told_twice(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A warning, about the line that called, and a record of the logger say path, reason and where the bytes are."""
    path.write_bytes(CORRUPT)
    with pytest.warns(UserWarning, match="kept as") as caught:
        atomic_store.open(path, 1, on_corrupt="quarantine")
    assert caught[0].filename == __file__
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("atomic_store", logging.WARNING)
    (aside,) = (str(each) for each in path.parent.iterdir() if ".corrupt-" in each.name)
    for text in (str(caught[0].message), record.getMessage()):
        assert repr(path) in text
        assert "JSONDecodeError" in text
        assert repr(aside) in text


def test_warning_that_is_an_error_loses_nothing(path: Path) -> None:
    """Where warnings are errors, open() raises; the bytes are aside, and the next open() begins with the default."""
    path.write_bytes(CORRUPT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="kept as"):
            atomic_store.open(path, 1, on_corrupt="quarantine")
    assert asides(path) == [CORRUPT]
    assert atomic_store.open(path, 1, on_corrupt="quarantine").value == 1


def test_every_way_to_read_sets_aside(path: Path) -> None:
    """What gets corrupt later is found by reload(), by entering a block with lock=, and inside update()."""
    store = atomic_store.open(path, [0], lock=True, on_corrupt="quarantine")

    def enter() -> None:
        with store:
            store.value.append(1)

    uses: list[tuple[Callable[[], Any], Any]] = [
        (store.reload, [0]),
        (enter, [0, 1]),
        (lambda: store.update(lambda value: [*value, 2]), [0, 2]),
    ]
    for n, (use, value) in enumerate(uses, 1):
        path.write_bytes(b"[%d" % n)
        with pytest.warns(UserWarning, match="kept as") as caught:
            use()
        assert caught[0].filename == __file__
        assert store.value == value
        assert sorted(asides(path)) == [b"[%d" % each for each in range(1, n + 1)]


def test_link_stays_and_its_file_is_moved(path: Path) -> None:
    """Behind a symbolic link the file itself is renamed, where it is; the next commit makes it anew there."""
    real = path.parent / "elsewhere" / "value"
    real.parent.mkdir()
    real.write_bytes(CORRUPT)
    path.symlink_to("elsewhere/value")
    store = quarantined(path)
    assert asides(real) == [CORRUPT]
    store.commit()
    assert path.is_symlink()
    assert real.read_bytes() == b'"default"'


def test_link_that_is_not_followed_is_what_is_moved(path: Path) -> None:
    """With follow_symlinks=False the store's file is the link: it is set aside, and what it leads to is untouched."""
    real = path.parent / "real"
    real.write_bytes(CORRUPT)
    path.symlink_to("real")
    quarantined(LocalFile(path, follow_symlinks=False)).commit()
    assert asides(path) == [CORRUPT]
    assert not path.is_symlink()
    assert real.read_bytes() == CORRUPT


@pytest.mark.parametrize("length", [200, 234, 235, 255])
def test_long_name_is_no_reason_to_fail(path: Path, length: int) -> None:
    """A name that leaves no room for the time is cut; what is set aside can still be told apart by its time."""
    path = path.with_name("n" * length)
    path.write_bytes(CORRUPT)
    quarantined(path)
    (aside,) = (each for each in path.parent.iterdir() if ".corrupt-" in each.name)
    assert aside.read_bytes() == CORRUPT
    assert aside.name.startswith("n" * 190)


# --- what is never moved ---------------------------------------------------------------------------------------------


def kept(path: Path, error: type[Exception], **options: Any) -> None:
    """Opening fails by this error, and the file is where and as it was."""
    before = path.read_bytes()
    with pytest.raises(error):
        atomic_store.open(path, options.pop("default", None), on_corrupt="quarantine", **options)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["value"]


def test_sound_file_is_never_moved(path: Path) -> None:
    """Another type, a newer version, another key, more than max_size, a wrong keyword: the file stays, each time."""
    path.write_bytes(b'{"n": "x"}')
    kept(path, LoadError, default=State(), type=State)
    path.write_bytes(json.dumps({"__atomic_store_version__": 9, "value": 1}).encode())
    kept(path, VersionError, format=Versioned("json", 1))
    path.unlink()
    atomic_store.open(path, 1, Signed("json", bytes(16))).commit()
    kept(path, SignatureError, format=Signed("json", KEY))
    path.unlink()
    atomic_store.open(path, "x" * 1000, Compressed("json")).commit()
    kept(path, LoadError, format=Compressed("json", max_size=999))
    path.write_bytes(b"[1.5]")
    wrong: list[dict[str, Any]] = [{"nope": 1}, {"parse_float": {}.__getitem__}, {"parse_float": None.__class__}]
    for keywords in wrong:
        kept(path, LoadError, load_kwargs=keywords)


@pytest.mark.parametrize(
    "content", [b"cno_such_module\nClass\n.", b"cjson\nNoSuchClass\n.", b"cjson\nJSONEncoder\n(I1\nI2\ntR."]
)
def test_pickle_whose_class_has_changed_is_never_moved(path: Path, content: bytes) -> None:
    """A class that has moved, was renamed, or takes other arguments now is the program's matter."""
    path.write_bytes(content)
    kept(path, LoadError, format="pickle")
    kept(path, LoadError, format=Versioned("pickle", 1))


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE, errno.EMFILE])
@pytest.mark.parametrize("format", [None, "pickle"])
def test_error_of_the_disk_moves_nothing(path: Path, number: int, format: Any) -> None:
    """Whatever call of an open fails, and how: no OSError is ever taken for a corrupt file."""
    path.write_bytes(b"1" if format is None else pickle.dumps(1))
    for turn in count(1):
        attack = Attack(turn, number)
        with attacked(attack):
            try:
                assert atomic_store.open(path, 2, format, on_corrupt="quarantine").value == 1
            except OSError as error:
                assert error.errno == number  # noqa: PT017 - whether this call's failure matters is not known before
        assert [each.name for each in path.parent.iterdir()] == ["value"]
        if attack.hit is None:
            break
    assert turn > 3


class Alarm(Exception):
    """What a program's signal handler raises: to the library it looks like a parser's own exception."""


@pytest.mark.parametrize("wrap", [lambda inner: inner, Compressed], ids=["plain", "compressed"])
def test_timeout_that_strikes_while_a_sound_file_is_read_moves_nothing(path: Path, wrap: Callable[[Any], Any]) -> None:
    """An alarm's exception comes out of the format as if the bytes were to blame: the file stays, and it is raised."""
    alarms = iter([True])

    def loads(content: Any) -> Any:
        if next(alarms, False):
            raise Alarm("the alarm's")
        return json.loads(content)

    inner: Any = Strings(json.dumps, loads)
    inner.is_binary = True
    format = wrap(inner)
    atomic_store.open(path, [1], format).commit()
    with pytest.raises(Alarm, match="the alarm's"):
        atomic_store.open(path, [2], format, on_corrupt="quarantine")
    assert [each.name for each in path.parent.iterdir()] == ["value"]
    assert atomic_store.open(path, [2], format, on_corrupt="quarantine").value == [1]


def test_without_being_asked_nothing_is_moved(path: Path) -> None:
    """By default a corrupt file is an error, and stays."""
    path.write_bytes(CORRUPT)
    with pytest.raises(LoadError):
        atomic_store.open(path, 1)
    assert path.read_bytes() == CORRUPT


# --- the others ------------------------------------------------------------------------------------------------------


def test_file_that_was_swapped_in_between_is_not_moved(path: Path) -> None:
    """Between the read and the move somebody replaces the file: theirs stays, is read, and nothing is set aside."""
    contents = iter([b"still bad", b"bad again", b"good"])

    def loads(content: Any) -> Any:
        if content == b"good":
            return "good"
        new = path.with_name("new")
        new.write_bytes(next(contents))
        new.rename(path)
        raise ValueError("corrupt")

    path.write_bytes(b"bad")
    store = atomic_store.open(path, 1, Strings(str, loads), is_binary=True, on_corrupt="quarantine")
    assert (store.value, store.stored) == ("good", True)
    assert asides(path) == []


def test_file_that_is_replaced_as_it_is_moved_is_put_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody replaces the file between the last look and the move: theirs gets its name back, and is read."""
    real = os.replace

    def late(source: Any, target: Any, **directories: Any) -> None:
        if ".corrupt-" in os.fspath(target):
            new = path.with_name("new")
            new.write_bytes(b"5")
            new.rename(path)
        real(source, target, **directories)

    monkeypatch.setattr(os, "replace", late)
    path.write_bytes(CORRUPT)
    store = atomic_store.open(path, 1, on_corrupt="quarantine")
    assert (store.value, store.stored) == (5, True)
    assert path.read_bytes() == b"5"
    assert asides(path) == []


def test_file_that_is_moved_by_mistake_is_kept_where_its_place_is_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody replaces the file as it is moved, and again before it can be moved back: the error names where theirs is."""
    real = os.replace

    def late(source: Any, target: Any, **directories: Any) -> None:
        path.write_bytes(b"[5]")
        real(source, target, **directories)
        path.write_bytes(b"[6]")

    path.write_bytes(CORRUPT)
    place = LocalFile(path)
    version = place.version()
    monkeypatch.setattr(os, "replace", late)
    with pytest.raises(ConflictError) as caught:
        place.set_aside(version)
    assert "value.corrupt-" in str(caught.value)
    assert (path.read_bytes(), asides(path)) == (b"[6]", [b"[5]"])


def test_file_that_was_deleted_in_between_is_no_error(path: Path) -> None:
    """Where somebody else has cleaned up already, there is nothing to move and nothing to tell."""

    def loads(content: Any) -> Any:
        path.unlink()
        raise ValueError("corrupt")

    path.write_bytes(b"bad")
    store = atomic_store.open(path, "default", Strings(str, loads), is_binary=True, on_corrupt="quarantine")
    assert (store.value, store.stored) == ("default", False)
    assert asides(path) == []


def test_it_waits_for_the_holder_of_the_lock(path: Path) -> None:
    """While somebody holds the lock nothing is moved; what he writes before he lets go is what is read then."""
    path.write_bytes(CORRUPT)
    lock = LocalFile(path).lock()
    asked, opened = threading.Event(), list[Any]()
    real = seams.lock.acquire

    def acquire(*args: Any) -> Any:
        asked.set()
        return real(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seams.lock, "acquire", acquire)
        thread = threading.Thread(
            target=lambda: opened.append(atomic_store.open(path, 1, on_corrupt="quarantine").value), daemon=True
        )
        thread.start()
        assert asked.wait(30)
        assert path.read_bytes() == CORRUPT
        path.write_bytes(b'"mended"')
        lock.adopt()
        lock.release()
        thread.join(30)
    assert opened == ["mended"]
    assert asides(path) == []


CROWD = """
import sys, warnings, atomic_store
warnings.simplefilter("ignore")
store = atomic_store.open(sys.argv[1], 0, on_corrupt="quarantine")
for n in range(20):
    store.update(lambda value: value + 1)
    if n % 5 == 0:
        atomic_store.open(sys.argv[1], 0, on_corrupt="quarantine").reload()
"""


def test_of_many_programs_one_sets_aside(path: Path) -> None:
    """Four programs find the same corrupt file at once: it is kept exactly once, and no later update is lost."""
    path.write_bytes(CORRUPT)
    programs = [subprocess.Popen([sys.executable, "-c", CROWD, str(path)]) for _ in range(4)]
    assert [program.wait(120) for program in programs] == [0] * 4
    assert asides(path) == [CORRUPT]
    assert path.read_bytes() == b"80"


# --- when it fails ---------------------------------------------------------------------------------------------------


def test_read_only_directory_is_an_error_that_says_all() -> None:
    """Where nothing can be renamed, the OSError names the path, its note the corruption, and the file is whole."""
    with public_directory() as directory:
        path = directory / "value"
        path.write_bytes(CORRUPT)
        with as_nobody(), pytest.raises(PermissionError) as caught:
            atomic_store.open(path, 1, on_corrupt="quarantine")
        assert caught.value.filename == path
        notes = caught.value.__notes__
        assert any("setting aside what no format could read" in note and "JSONDecodeError" in note for note in notes)
        assert path.read_bytes() == CORRUPT
        assert [each.name for each in directory.iterdir()] == ["value"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
def test_file_system_without_hard_links_works(path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where link(2) is refused, as on FAT, a rename does it, under a name that was free."""

    def link(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(time, "strftime", lambda *_: "20260102T030405Z")
    monkeypatch.setattr(os, "link", link)
    for content in (b"{1", b"{2"):
        path.write_bytes(content)
        quarantined(path)
    assert sorted(asides(path)) == [b"{1", b"{2"]


def test_name_that_is_taken_is_not_overwritten(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of a stranger that has the name already, and one that gets it at the last moment, stay whole."""
    monkeypatch.setattr(time, "strftime", lambda *_: "20260102T030405Z")
    first, second = (path.with_name(f"{path.name}.corrupt-20260102T030405Z{end}") for end in ("", "-1"))
    first.write_bytes(b"a stranger's")
    real = os.open

    def late(name: Any, *args: Any, **kwargs: Any) -> int:
        if os.path.basename(name) == second.name and not second.exists():
            second.write_bytes(b"another's")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(os, "open", late)
    path.write_bytes(CORRUPT)
    quarantined(path)
    assert sorted(asides(path)) == sorted([b"a stranger's", b"another's", CORRUPT])


ATTACKS = [(error, False) for error in ("EIO", "ENOSPC", "EROFS", "EACCES", "EMFILE", "ESTALE")]
ATTACKS += [("EIO", True), ("EROFS", True)]  # not EACCES: from flock(2) that means that somebody else holds the lock


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
@pytest.mark.parametrize(("error", "lasting"), ATTACKS)
def test_failing_system_call_loses_no_corrupt_byte(
    error: str,
    links: bool,
    lasting: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[..., None],
) -> None:
    """Whichever call fails while a file is set aside: its bytes are under one name or both, and the next open() works."""
    if not links:
        monkeypatch.setattr(os, "link", _no_link)
    number = getattr(errno, error)
    before = descriptors()
    for turn in count(1):
        path = tmp_path / str(turn) / "value"
        path.parent.mkdir()
        path.write_bytes(CORRUPT)
        attack = Attack(turn, number, lasting)
        failure: BaseException | None = None
        with attacked(attack), warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                store = atomic_store.open(path, 1, on_corrupt="quarantine")
                assert (store.value, store.stored) == (1, False)
            except OSError as caught:
                failure = caught
        here = [path.read_bytes()] if path.exists() else []
        # On a disk that has died the empty file that reserves the name cannot be removed.
        assert set(here + asides(path)) - ({b""} if lasting else set()) == {CORRUPT}
        assert descriptors() == before
        assert told or failure is not None
        if failure is None:
            assert (here, asides(path)) == ([], [CORRUPT])
        else:
            assert isinstance(failure, OSError)
            assert (failure.errno, failure.filename) == (number, path)
            if isinstance(failure, UncertainCommitError):
                assert here == []
        if here:
            assert quarantined(path, 1).value == 1
        else:
            assert atomic_store.open(path, 1, on_corrupt="quarantine").value == 1
        assert set(asides(path)) - ({b""} if lasting else set()) == {CORRUPT}
        assert not path.exists()
        if attack.hit is None:
            break
    assert turn > 10
    record_property("quarantine fault points", turn - 1)


def _no_link(source: Any, target: Any) -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), source, None, target)


def test_sync_that_fails_after_the_move_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the directory's sync has failed the error says that it is done and may not last."""
    path.write_bytes(CORRUPT)
    stamps = (f"20260102T03040{second}Z" for second in count())
    monkeypatch.setattr(time, "strftime", lambda *_: next(stamps))
    quarantined(path)  # which makes the lock file: from now on each time takes the same calls
    path.write_bytes(CORRUPT)
    calls = Attack()
    with attacked(calls), pytest.warns(UserWarning, match="kept as"):
        atomic_store.open(path, 1, on_corrupt="quarantine")
    (sync,) = (turn for turn, call in enumerate(calls.seen, 1) if call.name == "fsync")
    path.write_bytes(CORRUPT)
    with attacked(Attack(sync, errno.EIO)), pytest.raises(UncertainCommitError, match="may be undone") as caught:
        atomic_store.open(path, 1, on_corrupt="quarantine")
    assert any("setting aside" in note for note in caught.value.__notes__)
    assert asides(path) == [CORRUPT] * 3
    assert not path.exists()


def test_conflict_and_timeout_are_told_apart(path: Path) -> None:
    """A store with lock= that cannot get the lock says so, before anything is moved."""
    path.write_bytes(b"1")
    store = atomic_store.open(path, 1, lock=0, on_corrupt="quarantine")
    path.write_bytes(CORRUPT)
    holder = LocalFile(path).lock()
    errors: list[BaseException] = []

    def enter() -> None:
        try:
            with store:
                pass
        except (LockTimeout, ConflictError) as error:
            errors.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join(30)
    holder.release()
    assert [type(error) for error in errors] == [LockTimeout]
    assert path.read_bytes() == CORRUPT
    with pytest.warns(UserWarning, match="kept as"), store:
        store.value = 2
    assert path.read_bytes() == b"2"


class Refuses:
    """A class that has come to refuse the state it once had."""

    def __setstate__(self, state: Any) -> None:
        raise ValueError("no such state any more")


@pytest.mark.parametrize(
    ("content", "load_kwargs"),
    [
        (b"\x80\x04\x95" + bytes(8) + b"U\x03abc.", {"encoding": "utf-16"}),
        (pickle.dumps(Refuses(), 4)[:-1] + b"}b.", {}),
        (b"cbuiltins\nopen\n(V/no/such/file\ntR.", {}),
    ],
)
def test_pickle_whose_objects_refuse_to_load_is_not_moved(
    tmp_path: Path, content: bytes, load_kwargs: dict[str, Any]
) -> None:
    """What a pickle's own code raises says nothing of its bytes: they stay where they are, and the error is raised."""
    path = tmp_path / "state.pickle"
    path.write_bytes(content)
    with pytest.raises(LoadError) as caught:
        atomic_store.open(path, default=1, format="pickle", load_kwargs=load_kwargs, on_corrupt="quarantine")
    assert not caught.value.damaged
    assert path.read_bytes() == content
    assert [name for name in os.listdir(tmp_path) if "corrupt" in name] == []
