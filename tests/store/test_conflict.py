"""What counts as a change by somebody else, and what a conflict leaves behind."""

from __future__ import annotations

import os
import pickle
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import seams
from crowd import DIGITS
from stand_ins import by_hand, inside, stored

import atomic_store
from atomic_store import AtomicStoreError, ConflictError, LocalFile
from atomic_store.testing import Memory

HOUR = 3600 * 10**9  # ns


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.json"


class FakeTimes:
    """The module os on a file system whose times are what the test says, and whose files all have one inode."""

    def __init__(self) -> None:
        self.modified = self.changed = time.time_ns() - HOUR
        self.reads = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def read(self, descriptor: int, size: int) -> bytes:
        self.reads += 1
        return os.read(descriptor, size)

    def fstat(self, descriptor: int) -> os.stat_result:
        return self._faked(os.fstat(descriptor))

    def stat(self, path: Any, **options: Any) -> os.stat_result:
        return self._faked(os.stat(path, **options))

    def lstat(self, path: Any) -> os.stat_result:
        return self._faked(os.lstat(path))

    def _faked(self, status: os.stat_result) -> os.stat_result:
        if stat.S_ISDIR(status.st_mode):
            return status
        times = {"st_mtime_ns": self.modified, "st_ctime_ns": self.changed}
        return os.stat_result((status.st_mode, 1, *status[2:7], 0, 0, 0), times)


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> FakeTimes:
    fake = FakeTimes()
    seams.system(monkeypatch, fake)
    return fake


# --- the version rule ---


@pytest.mark.parametrize("age", [0, 60 * 10**9], ids=["now", "a minute ago"])
def test_file_put_in_place_with_an_old_time_is_a_change(path: Path, times: FakeTimes, age: int) -> None:
    """Written long ago, of equal size and with a reused inode, but renamed to here since we have read: its ctime tells."""
    by_hand(path, 1)
    store = atomic_store.open(path, on_conflict="raise")
    by_hand(path, 2)
    times.changed = time.time_ns() - age
    assert store.changed()
    with pytest.raises(ConflictError):
        store.commit()
    assert stored(path) == 2


@pytest.mark.parametrize("age", [0, 2 * 10**9], ids=["now", "one tick of FAT ago"])
@pytest.mark.parametrize("which", ["modified", "changed"])
def test_young_file_is_read_again(path: Path, times: FakeTimes, which: str, age: int) -> None:
    """While a time of the file is so young that another write could get the same one, equal times prove nothing."""
    setattr(times, which, time.time_ns() - age)
    by_hand(path, 1)
    store = atomic_store.open(path, on_conflict="raise")
    by_hand(path, 2)
    assert store.changed()
    with pytest.raises(ConflictError):
        store.commit()


def test_old_file_is_not_read_again(path: Path, times: FakeTimes) -> None:
    """Where all times were well past at the last read, equal ones are proof: comparing costs no read of the content."""
    by_hand(path, 1)
    store = atomic_store.open(path, lock=True)
    before = times.reads
    for _ in range(3):
        assert not store.changed()
    assert times.reads == before


def test_own_commit_is_read_once_until_its_time_is_past(path: Path, times: FakeTimes) -> None:
    """A version that was found unchanged once its time was past is proof from then on."""
    location = LocalFile(path)
    times.modified = times.changed = time.time_ns()
    with location.replace(exact=True) as file:
        file.write(b"1")
    known: object = file.version
    times.modified = times.changed = time.time_ns() - HOUR
    for reads in (True, False, False):
        before = times.reads
        now = location.version(known)
        assert now == known
        assert (times.reads > before) == reads
        known = now


@pytest.mark.parametrize("way", ["in place", "by rename", "with the old time put back"])
def test_change_of_equal_size_is_seen(path: Path, way: str) -> None:
    """Another writer's bytes of the same number, written at once after ours, are a conflict, whatever their time."""
    store = atomic_store.open(path, 1, DIGITS, on_conflict="raise")
    store.commit()
    before = os.stat(path)
    if way == "by rename":
        path.with_name("new").write_bytes(b"%08d" % 2)
        path.with_name("new").replace(path)
    else:
        path.write_bytes(b"%08d" % 2)
    if way == "with the old time put back":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.changed()
    with pytest.raises(ConflictError):
        store.commit()
    assert path.read_bytes() == b"%08d" % 2


def replaced_by_itself(path: Path) -> None:
    path.with_name("new").write_bytes(path.read_bytes())
    path.with_name("new").replace(path)


NO_CHANGES: dict[str, Callable[[Path], object]] = {
    "touch": lambda path: os.utime(path),
    "old time": lambda path: os.utime(path, (0, 0)),
    "chmod": lambda path: path.chmod(0o600),
    "rewrite": lambda path: path.write_bytes(path.read_bytes()),
    "replacement": replaced_by_itself,
    "gone and back": lambda path: path.rename(path.with_name("away")).rename(path),
}


@pytest.mark.parametrize("act", NO_CHANGES)
@pytest.mark.parametrize("options", [{"on_conflict": "raise"}, {"lock": True}], ids=["raise", "lock"])
def test_mere_touch_is_no_conflict(path: Path, act: str, options: dict[str, Any]) -> None:
    """Where the bytes are the same, nobody has changed anything, after a load as after a commit."""
    by_hand(path, 1)
    store = atomic_store.open(path, **options)
    for value in (2, 3):
        NO_CHANGES[act](path)
        assert not store.changed()
        store.value = value
        store.commit()
        assert stored(path) == value


def test_dump_that_rewrites_through_the_descriptor_is_no_conflict_with_itself(path: Path) -> None:
    """A format that goes back to fill in its header by the file's descriptor leaves a version of what is stored."""

    class WithHeader:
        @staticmethod
        def dump(value: int, file: Any) -> None:
            file.write(b"????%d" % value)
            os.pwrite(file.fileno(), b"HEAD", 0)

        @staticmethod
        def load(file: Any) -> int:
            content: bytes = file.read()
            assert content[:4] == b"HEAD"
            return int(content[4:])

    store = atomic_store.open(path, 0, WithHeader, on_conflict="raise")
    for value in (1, 2):
        store.value = value
        store.commit()
        assert not store.changed()
    assert path.read_bytes() == b"HEAD2"


# --- what a conflict says and leaves ---


@pytest.mark.parametrize(
    ("before", "after", "fact"),
    [(1, 2, "changed it"), (1, None, "deleted it"), (None, 2, "created it")],
    ids=["changed", "deleted", "made"],
)
def test_conflict_says_what_has_happened(path: Path, before: int | None, after: int | None, fact: str) -> None:
    """Each kind of change raises, with words and evidence; file, value and `stored` are untouched, no temp is left."""
    if before is not None:
        by_hand(path, before)
    store = atomic_store.open(path, [0], on_conflict="raise")
    store.value = [3]
    if after is None:
        path.unlink()
    else:
        by_hand(path, after)
    with pytest.raises(ConflictError, match=fact) as caught:
        store.commit()
    error = caught.value
    assert isinstance(error, AtomicStoreError)
    assert (error.path, error.expected is None, error.found is None) == (path, before is None, after is None)
    assert error.expected != error.found
    assert (store.value, store.stored) == ([3], before is not None)
    assert (stored(path) if after is not None else path.exists()) == (after if after is not None else False)
    assert inside(path.parent) == sorted([".a.json.lock", *(["a.json"] if after is not None else [])])
    store.reload()
    store.commit()


def kinds(error: type[AtomicStoreError] = AtomicStoreError) -> list[type[AtomicStoreError]]:
    """The public errors."""
    return [
        error,
        *(found for each in error.__subclasses__() if hasattr(atomic_store, each.__name__) for found in kinds(each)),
    ]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", kinds())
def test_every_error_reaches_the_parent_of_a_worker(path: Path, kind: type[AtomicStoreError], protocol: int) -> None:
    """All errors are pickled by every protocol with all that they carry, such as the versions of a file."""
    path.write_bytes(b"1")
    for place in (LocalFile(path), Memory(b"1")):
        with place.read(exact=True) or pytest.fail("nothing is stored") as file:
            file.read()
            error = kind("told")
            vars(error).update(dict.fromkeys(vars(error).keys() & {"expected", "found", "version"}, file.version))
        copy = pickle.loads(pickle.dumps(error, protocol))
        assert (type(copy), str(copy), vars(copy)) == (kind, "told", vars(error))


def test_never_existed_is_no_conflict(path: Path) -> None:
    """A file that was not there and is not there is simply made, by commit, block and delete."""
    for lock in (False, True):
        store = atomic_store.open(path, 1, lock=lock, on_conflict="raise")
        store.delete()
        store.commit()
        assert stored(path) == 1
        store.delete()
        with store:
            store.value = 2
        assert stored(path) == 2
        path.unlink()


def test_conflict_at_the_end_of_a_block_keeps_both_sides(path: Path) -> None:
    """With on_conflict="raise" and no lock, the exit raises; the value is that of the block, the file that of the other."""
    store = atomic_store.open(path, [], on_conflict="raise")
    with pytest.raises(ConflictError), store:
        store.value.append("mine")
        by_hand(path, ["other"])
    assert (store.value, stored(path), store.level) == (["mine"], ["other"], 0)
    store.reload()
    with store:
        store.value.append("mine")
    assert stored(path) == ["other", "mine"]


def test_file_that_appears_in_the_last_instant_is_not_overwritten(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A creation replaces nothing: not even what somebody who takes no lock has made after the last look."""
    store = atomic_store.open(path, 1, on_conflict="raise")
    require = LocalFile.require

    def look(self: LocalFile, expected: object) -> None:
        require(self, expected)
        by_hand(path, 2)

    monkeypatch.setattr(LocalFile, "require", look)
    with pytest.raises(ConflictError):
        store.commit()
    assert stored(path) == 2
    assert inside(path.parent) == [".a.json.lock", "a.json"]


def test_asked_to_overwrite_overwrites(path: Path) -> None:
    """on_conflict="overwrite" and a plain store ask nobody, and leave no sidecar."""
    for on_conflict in (None, "overwrite"):
        store = atomic_store.open(path, 1, on_conflict=on_conflict)
        by_hand(path, 2)
        store.commit()
        assert stored(path) == 1
    assert inside(path.parent) == ["a.json"]


def test_hand_edit_during_a_locked_block_is_not_overwritten(path: Path) -> None:
    """An editor takes no lock: what it saves while a block is open makes the exit raise."""
    with pytest.raises(ConflictError), atomic_store.open(path, 0, lock=True) as store:
        store.value = 1
        by_hand(path, 2)
    assert stored(path) == 2
    with store:
        assert store.value == 2
        store.value = 3
    assert stored(path) == 3


def test_hand_edit_during_update_is_built_upon(path: Path) -> None:
    """update() whose read is overtaken by an editor starts anew, from what the editor has saved."""
    store = atomic_store.open(path, 0)
    seen: list[int] = []

    def add(value: int) -> int:
        seen.append(value)
        if len(seen) < 3:
            by_hand(path, 10 * len(seen))
        return value + 1

    assert store.update(add) == 21
    assert (seen, stored(path)) == ([0, 10, 20], 21)


def test_update_gives_up_on_an_endless_rival(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who writes without the lock each time makes update() raise in the end, changing nothing."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    store = atomic_store.open(path, [0])
    tries: list[int] = []

    def add(value: list[int]) -> list[int]:
        tries.append(1)
        by_hand(path, [len(tries)])
        return [*value, 1]

    with pytest.raises(ConflictError):
        store.update(add)
    assert stored(path) == [len(tries)]
    assert store.value == [0]
    atomic_store.open(path, lock=0).commit()


def test_version_is_compared_only_with_its_like(path: Path) -> None:
    """A version is equal to no stranger, has no hash, and shows size and digest."""
    by_hand(path, 1)
    location = LocalFile(path)
    version = location.version()
    assert version != "1"
    assert version == LocalFile(path).version()
    assert repr(version) == "<Version of 1 bytes, digest not made>"
    with pytest.raises(TypeError):
        hash(version)
    with location.replace(exact=True) as file:
        file.write(b"22")
    assert repr(file.version).startswith("<Version of 2 bytes, digest ")
