"""The contract that every location keeps, run for each of them; and a store on a place in memory."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import seams
from crowd import Dull
from machine import in_child
from places import InMemory, OnDisk

import atomic_store
from atomic_store import ConflictError, LoadError, LocalFile, LockError, LockTimeout
from atomic_store.locations.base import ANY, Location, Lock
from atomic_store.testing import LocationContract, Memory


class TestLocalFile(OnDisk, LocationContract):
    """A file."""


class TestLinkedFile(OnDisk, LocationContract):
    """A file that is known to one program by its name and to the other by a symbolic link."""

    def make(self) -> Location:
        path = self.next_path()
        path.symlink_to(f"{path.name}.real")
        return LocalFile(path)

    def again(self, location: LocalFile) -> Location:
        return LocalFile(f"{os.fsdecode(location.path)}.real")

    def poke(self, location: LocalFile, content: bytes | None) -> None:
        super().poke(LocalFile(f"{os.fsdecode(location.path)}.real"), content)


class TestLessDurableFile(TestLocalFile):
    """A file whose commits do not wait for the disk, and leave alone what is the same."""

    def make(self) -> Location:
        return LocalFile(self.next_path(), fsync=False, skip_unchanged=True)


class TestLongName(TestLocalFile):
    """A file whose name leaves no room for what the names of its lock and its temp have more."""

    def next_path(self) -> Path:
        self.made += 1
        return self.directory / f"{self.made}{'n' * 254}"[:255]


class TestMemory(InMemory, LocationContract):
    """A place in memory."""


class TestCoarseClock(TestLocalFile):
    """A file on a file system where all that happens within two seconds has one time, and all files one inode."""

    @pytest.fixture(autouse=True)
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seams.system(monkeypatch, Dull(2 * 10**9))


class Lockless(Memory):
    """A place in memory that, as one on the network, can compare and replace in one step but has no lock to give."""

    has_lock = False

    def lock(self, timeout: float | None = None) -> Lock:
        raise LockError("there are no locks here")

    @contextlib.contextmanager
    def comparing(self, expected: object) -> Generator[None]:
        self.require(expected)
        yield


class TestLockless(TestMemory):
    """A place without locks, where update() has to try again."""

    def make(self) -> Location:
        return Lockless()


def test_contract_says_what_it_needs() -> None:
    """A suite that lacks one of the four methods fails, rather than passing by doing nothing."""
    contract = LocationContract()
    calls: list[Callable[[], object]] = [
        contract.make,
        lambda: contract.again(None),
        lambda: contract.peek(None),
        lambda: contract.poke(None, None),
        contract.test_nothing_is_not_an_empty_value,
    ]
    for call in calls:
        with pytest.raises(NotImplementedError):
            call()


def test_contract_catches_a_location_that_loses_bytes() -> None:
    """The control: a place that is wrong in one way fails the test of that promise."""

    class Forgetful(Memory):
        def require(self, expected: object) -> None:
            """Compare nothing."""

    class Contract(TestMemory):
        def make(self) -> Location:
            return Forgetful()

    with pytest.raises(AssertionError, match="ConflictError should have been raised"):
        Contract().test_change_by_somebody_else_is_not_overwritten()


def test_any_version_shows_its_name() -> None:
    """In a traceback ANY, the expectation of a plain commit, is told from a version."""
    assert repr(ANY) == "ANY"


def test_stored_file_has_a_descriptor(tmp_path: Path) -> None:
    """What a LocalFile gives to read is a file of the system, for formats that map it into memory."""
    (tmp_path / "a").write_bytes(b"abc")
    file = LocalFile(tmp_path / "a").read()
    assert file is not None
    with file:
        assert os.pread(file.fileno(), 3, 0) == b"abc"


# --- a place in memory, as a user's tests have it ---


def test_stores_on_one_memory_see_each_other() -> None:
    """What one store commits another one finds, and `content` shows; nothing is stored before the first commit."""
    place = Memory()
    first, second = (atomic_store.open(place, default=[]) for _ in range(2))
    assert (place.content, first.stored) == (None, False)
    first.value.append(1)
    first.commit()
    assert (place.content, second.changed(), second.reload()) == (b"[1]", True, [1])
    assert atomic_store.open(Memory(b"[2]")).value == [2]
    assert atomic_store.open(Memory()).value is None


def test_memory_is_named_in_errors() -> None:
    """Errors, `path` and format="auto" go by the name that the place was given."""
    place = Memory(b"{", "settings.json")
    with pytest.raises(LoadError, match=r"settings\.json") as caught:
        atomic_store.open(place)
    assert caught.value.path == "settings.json"
    assert repr(place) == "Memory(b'{', 'settings.json')"
    assert atomic_store.open(Memory(None, "a.pickle"), format="pickle").path == "a.pickle"


@pytest.mark.parametrize("format", ["json", "pickle", (repr, int)], ids=["json", "pickle", "pair"])
def test_memory_takes_every_format(format: Any) -> None:
    """Streaming formats and whole ones, text and bytes, come back from memory as from a file."""
    place = Memory()
    with atomic_store.open(place, 0, format) as store:
        store.value = 12345
    assert atomic_store.open(place, 0, format).value == 12345


def test_failed_dump_leaves_memory_as_it_was() -> None:
    """A value that the format refuses, and a block that raises, change nothing."""
    place = Memory(b"[1]")
    store = atomic_store.open(place)
    with pytest.raises(TypeError), store:
        store.value = [object()]
    with pytest.raises(InterruptedError), store:
        store.value = [2]
        raise InterruptedError
    assert place.content == b"[1]"


def test_corrupt_memory_is_set_aside_on_request() -> None:
    """on_corrupt="quarantine" keeps the bytes in `asides`, with a warning, and begins with the default."""
    place = Memory(b"{")
    with pytest.warns(UserWarning, match="memory"):
        store = atomic_store.open(place, 7, on_corrupt="quarantine")
    assert (store.value, place.content, place.asides) == (7, None, [b"{"])


def test_memory_locks_threads_out() -> None:
    """With lock=, blocks of two stores in two threads follow each other; without patience the second times out."""
    place = Memory()
    store = atomic_store.open(place, [], lock=True)
    other = atomic_store.open(place, [], lock=0)
    patient = atomic_store.open(place, [], lock=float("inf"))

    def add() -> None:
        with patient:
            patient.value.append("there")

    with ThreadPoolExecutor(2) as pool:
        with store:
            with pytest.raises(LockError):
                other.commit()
            with pytest.raises(LockTimeout):
                pool.submit(other.commit).result()
            done = pool.submit(add)
            store.value.append("here")
        done.result()
    assert place.content == b'["here", "there"]'


def test_comparing_writer_waits_for_the_holder_of_a_memorys_lock() -> None:
    """As at a file: on_conflict="raise" in one thread waits for the block of another, and then meets the conflict."""
    place = Memory()
    store = atomic_store.open(place, 0, lock=True)
    comparing = atomic_store.open(place, 1, on_conflict="raise")
    with ThreadPoolExecutor(1) as pool:
        with store:
            done = pool.submit(comparing.commit)
        with pytest.raises(ConflictError):
            done.result()
    assert place.content == b"0"


def test_lock_of_a_memory_is_given_back_once() -> None:
    """Releasing twice takes the lock from nobody who has it meanwhile."""
    place = Memory()
    first = place.lock()
    first.release()
    second = place.lock()
    first.release()
    with pytest.raises(LockError):
        place.lock(0)
    second.release()


def test_child_of_a_fork_has_a_memory_of_its_own() -> None:
    """In a child the lock that the parent holds is lost, and the child's copy of the place is free."""

    class Noting(Memory):
        def lock(self, timeout: float | None = None) -> Lock:
            self.taken = [super().lock(timeout)]
            return self.taken[0]

    place = Noting(b"1")
    store = atomic_store.open(place, lock=True)

    def in_the_child() -> bytes | None:
        with pytest.raises(LockError, match="fork"):
            store.commit()
        held.release()
        with atomic_store.open(place, lock=0) as own:
            own.value = 2
        return place.content

    with store:
        (held,) = place.taken
        assert in_child(in_the_child) == b"2"
        store.value = 3
    assert place.content == b"3"


def test_lock_is_a_block(tmp_path: Path) -> None:
    """A lock that is taken by hand is given back at the end of its block, as any other lock."""
    place = LocalFile(tmp_path / "a")
    with place.lock() as lock:
        assert lock.mine
        with pytest.raises(LockError):
            place.lock(0)
    place.lock(0).release()


def test_place_that_makes_no_temps_leaves_none_alone() -> None:
    """left_by_clean() of a place without files of its own is an empty list."""
    assert Memory().left_by_clean() == []


def test_functions_that_stand_in_are_the_systems_where_there_is_no_windows() -> None:
    """_platform.py asks the system it runs on."""
    assert seams.platform.on_windows() == (sys.platform == "win32")
