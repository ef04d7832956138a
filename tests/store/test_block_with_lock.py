"""What a locked block starts from, and what is left of a value after blocks, commits and deletions that went wrong."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stand_ins import Strings, by_hand, stored

import atomic_store
from atomic_store import AtomicStore, AtomicStoreError, ConflictError, LoadError, UncertainCommitError
from atomic_store.locations import local as _local


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.json"


class Syncs:
    """fsync that fails at the given call, counted from 1 since `fail` was set; 1 is the file's, 2 the directory's."""

    def __init__(self) -> None:
        self.fail = 0
        self.calls = 0

    def __call__(self, descriptor: int) -> None:
        self.calls += 1
        if self.calls == self.fail:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def fail_at(self, call: int) -> None:
        self.fail, self.calls = call, 0


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> Syncs:
    fake = Syncs()
    monkeypatch.setattr(os, "fsync", fake)
    return fake


def add_one(store: AtomicStore[Any]) -> None:
    with store:
        store.value += 1


# --- what a block starts from ---


def test_unchanged_place_is_not_loaded_again(path: Path) -> None:
    """While nobody else writes and nothing fails, blocks go on with the value in memory, the very object."""
    format = Strings(json.dumps, json.loads)
    store = atomic_store.open(path, [], format, lock=True)
    mine = store.value
    for number in range(3):
        with store:
            assert store.value is mine
            store.value.append(number)
    store.commit()
    assert (format.loaded, stored(path)) == ([], [0, 1, 2])


def test_change_in_memory_outside_a_block_survives_an_unchanged_place(path: Path) -> None:
    """What was changed in place or assigned before the block is its value, and is committed by it."""
    store = atomic_store.open(path, [], lock=True)
    store.value.append(1)
    with store:
        assert store.value == [1]
    store.value = [2]
    with store:
        assert store.value == [2]
    assert stored(path) == [2]


def test_what_others_wrote_is_where_a_block_starts(path: Path) -> None:
    """Changed, made or deleted by others: the block sees it, not what was in memory."""
    store = atomic_store.open(path, [0], lock=True)
    by_hand(path, [1])
    with store:
        assert (store.value, store.stored) == ([1], True)
    path.unlink()
    with store:
        assert (store.value, store.stored) == ([0], False)
    assert stored(path) == [0]


def test_corrupt_place_keeps_a_block_from_beginning(path: Path) -> None:
    """Bytes that the format refuses raise at the enter; the lock is free, nothing was written, and a repair is enough."""
    store = atomic_store.open(path, 1, lock=True)
    path.write_bytes(b"{")
    for _ in range(2):
        with pytest.raises(LoadError):
            store.__enter__()
        assert (store.level, store.value, path.read_bytes()) == (0, 1, b"{")
    by_hand(path, 2)
    add_one(store)
    assert stored(path) == 3


def test_block_that_failed_is_not_built_upon(path: Path) -> None:
    """The next block starts from what is stored: once, and then goes on as usual."""
    format = Strings(json.dumps, json.loads)
    store = atomic_store.open(path, 0, format, lock=True)
    add_one(store)
    with pytest.raises(InterruptedError), store:
        store.value = 100
        raise InterruptedError
    add_one(store)
    add_one(store)
    assert (len(format.loaded), stored(path)) == (1, 3)


@pytest.mark.parametrize("end", ["the block fails", "the commit fails"])
def test_half_done_block_on_an_assigned_value_is_not_built_upon(path: Path, syncs: Syncs, end: str) -> None:
    """A value assigned before a block that went wrong is half changed by it: the next block starts from what is stored."""
    store = atomic_store.open(path, 0, lock=True)
    store.commit()
    store.value = 10
    with pytest.raises((InterruptedError, OSError)), store:
        store.value += 1
        if end == "the block fails":
            raise InterruptedError
        syncs.fail_at(1)
    assert (store.value, stored(path)) == (11, 0)
    add_one(store)
    assert stored(path) == 1


def test_in_place_change_of_an_assigned_value_is_not_built_upon_after_a_failure(path: Path) -> None:
    """Likewise where the block has changed the assigned object in place."""
    store = atomic_store.open(path, [], lock=True)
    store.value = ["assigned"]
    with pytest.raises(InterruptedError), store:
        store.value.append("half")
        raise InterruptedError
    with store:
        store.value.append("whole")
    assert stored(path) == ["whole"]


def test_failed_commit_of_a_block_is_not_added_twice(path: Path, syncs: Syncs) -> None:
    """A block whose commit failed and that is run again adds once: it starts from what is stored."""
    store = atomic_store.open(path, 0, lock=True)
    add_one(store)
    syncs.fail_at(1)
    with pytest.raises(OSError, match="Input/output"):
        add_one(store)
    assert stored(path) == 1
    add_one(store)
    assert stored(path) == 2


def test_failed_bare_commit_can_simply_be_repeated(path: Path, syncs: Syncs) -> None:
    """commit() after a failed commit() commits the same value, with lock= and with on_conflict="raise"."""
    for store in (atomic_store.open(path, 0, lock=True), atomic_store.open(path, 0, on_conflict="raise")):
        store.reload()
        store.value += 1
        syncs.fail_at(1)
        with pytest.raises(OSError, match="Input/output"):
            store.commit()
        store.commit()
        assert stored(path) == store.value
    assert stored(path) == 2


def test_assigned_value_meets_a_change_without_either_being_dropped(path: Path) -> None:
    """Entering with a value assigned outside, on a place that others have changed, raises; so it does again and again."""
    store = atomic_store.open(path, 0, lock=True)
    store.value = 1
    by_hand(path, 2)
    for _ in range(2):
        with pytest.raises(ConflictError, match="assigned outside") as caught:
            store.__enter__()
        assert caught.value.found is not None
        assert (store.value, stored(path), store.level) == (1, 2, 0)
    with pytest.raises(ConflictError):
        store.commit()
    store.reload()
    add_one(store)
    assert stored(path) == 3


def test_assigning_inside_a_block_is_not_assigning_outside(path: Path) -> None:
    """What a block has assigned and committed gives way to what others write later."""
    store = atomic_store.open(path, 0, lock=True)
    with store:
        store.value = 1
    by_hand(path, 2)
    add_one(store)
    assert stored(path) == 3


# --- after an uncertain commit ---


def commit_one(store: AtomicStore[Any]) -> None:
    store.value += 1
    store.commit()


AGAIN: dict[str, Callable[[AtomicStore[Any]], object]] = {
    "block": add_one,
    "commit": commit_one,
    "update": lambda store: store.update(lambda value: value + 1),
}


@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize("first", AGAIN)
@pytest.mark.parametrize("lock", [False, True], ids=["raise", "lock"])
def test_commit_goes_on_after_an_uncertain_one(path: Path, syncs: Syncs, first: str, again: str, lock: bool) -> None:
    """The uncertain value is visible, and is what memory, the next comparison and the next change go by: no conflict."""
    store = atomic_store.open(path, 0, lock=lock, on_conflict="raise")
    store.commit()
    syncs.fail_at(2)
    with pytest.raises(UncertainCommitError):
        AGAIN[first](store)
    assert (stored(path), store.value, store.level) == (1, 1, 0)
    assert not store.changed()
    AGAIN[again](store)
    assert stored(path) == 2


@pytest.mark.parametrize("lock", [False, True], ids=["raise", "lock"])
def test_deletion_goes_on_after_an_uncertain_one(path: Path, syncs: Syncs, lock: bool) -> None:
    """What is uncertainly deleted is gone, in memory too; deleting again makes sure, and a block begins anew."""
    for again in ("delete", "block"):
        store = atomic_store.open(path, 0, lock=lock, on_conflict="raise")
        store.value = 5
        store.commit()
        syncs.fail_at(1)
        with pytest.raises(UncertainCommitError):
            store.delete()
        assert (path.exists(), store.value, store.stored) == (False, 0, False)
        if again == "delete":
            syncs.fail_at(1)
            with pytest.raises(UncertainCommitError):
                store.delete()
            store.delete()
        else:
            add_one(store)
            assert stored(path) == 1


def test_uncertain_first_commit_is_compared_by_content(path: Path, syncs: Syncs) -> None:
    """After an uncertain creation, another's change is a conflict, and the store's own value is none."""
    store = atomic_store.open(path, 0, on_conflict="raise")
    syncs.fail_at(2)
    with pytest.raises(UncertainCommitError):
        store.commit()
    store.commit()
    by_hand(path, 7)
    with pytest.raises(ConflictError):
        store.commit()


# --- inside a block ---


def test_update_inside_a_block_is_refused_and_the_block_goes_on(path: Path) -> None:
    """The same store's update() would drop the block's changes: it raises, calls nothing, and changes nothing."""
    store = atomic_store.open(path, 0, lock=True)
    with store:
        store.value = 1
        with pytest.raises(AtomicStoreError, match=r"change store\.value"):
            store.update(lambda value: pytest.fail("it was called"))
        store.value += 1
    assert stored(path) == 2


def test_reload_inside_a_block_keeps_the_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """reload() drops the block's changes and keeps the block: the lock is not even released and taken again in between."""
    flock, taken = fcntl.flock, list[int]()

    def counted(descriptor: int, operation: int) -> None:
        flock(descriptor, operation)
        taken.append(operation)

    monkeypatch.setattr(fcntl, "flock", counted)
    with atomic_store.open(path, 0, lock=True) as store:
        assert taken  # control: entering is seen
        taken.clear()
        store.value = 5
        assert store.reload() == 0
        assert not taken
        store.commit()
        taken.clear()
        assert store.reload() == 0
        assert not taken
        store.value = 6
    assert stored(path) == 6


def test_conflict_at_a_locked_exit_leaves_the_block(path: Path) -> None:
    """An exit that raises ConflictError has still left the block and given the lock back."""
    store = atomic_store.open(path, 0, lock=True)
    with pytest.raises(ConflictError), store:
        by_hand(path, 1)
    assert store.level == 0
    atomic_store.open(path, lock=0).commit()
    add_one(store)
    assert stored(path) == 2


def test_stat_of_the_place_that_fails_keeps_a_block_from_beginning(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An I/O error when the block looks for changes is raised with the path; it is not taken for "unchanged"."""
    store = atomic_store.open(path, 0, lock=True)
    store.commit()

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(_local.Reader, "begin", fail)
        with pytest.raises(OSError, match=r"a\.json") as caught:
            store.__enter__()
        assert caught.value.errno == errno.EIO
    add_one(store)
    assert stored(path) == 1


@pytest.mark.parametrize("assigned", [True, False])
def test_moved_store_takes_its_value_along_into_a_block(path: Path, assigned: bool) -> None:
    """After path= the value is that of the old place: a block at the new one, where something is, starts from it."""
    by_hand(path, 1)
    store = atomic_store.open(path, 0, lock=True)
    if assigned:
        store.value = 2
    other = path.with_name("other.json")
    by_hand(other, 7)
    store.path = other
    with store:
        assert store.value == (2 if assigned else 1)
        store.value += 1
    assert (stored(path), stored(other)) == (1, 3 if assigned else 2)
