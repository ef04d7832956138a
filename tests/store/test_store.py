"""One value and its store: reading, committing, nesting, failing half way, and several threads at once."""

from __future__ import annotations

import contextlib
import copy
import errno
import gc
import json
import os
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from machine import in_child
from stand_ins import Files, Strings, by_hand, directories_cannot_be_synced, directories_synced, inside, stored

import atomic_store
from atomic_store import (
    AtomicStore,
    AtomicStoreError,
    ConflictError,
    LoadError,
    LocalFile,
    LockError,
    LockTimeout,
    UncertainCommitError,
)
from atomic_store.testing import Memory

WRITE = os.write
LEAVING = [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "value.json"


# --- value, stored, commit(), reload() -------------------------------------------------------------------------------


def test_value_that_exists_goes_before_the_default(path: Path) -> None:
    """The value is what the place holds, and the default only where it holds nothing."""
    assert atomic_store.open(path, default=1).value == 1
    by_hand(path, 2)
    assert atomic_store.open(path, default=1).value == 2


@pytest.mark.parametrize("value", [None, 0, "", [], {}, False, 0.0])
def test_empty_value_is_a_value(path: Path, value: Any) -> None:
    """What is false is stored and read like anything else: only "does not exist" means the default."""
    with atomic_store.open(path, default="default") as store:
        store.value = value
    store = atomic_store.open(path, default="default")
    assert store.value == value
    assert type(store.value) is type(value)
    assert store.stored


def test_stored_says_what_the_last_read_has_found(path: Path) -> None:
    """`stored` tells a default from a value that is equal to it, and moves on with each read."""
    store = atomic_store.open(path, default=1)
    seen = [store.stored]
    store.commit()
    seen.append(store.stored)
    store.reload()
    seen.append(store.stored)
    path.unlink()
    seen.append(store.stored)
    store.reload()
    seen.append(store.stored)
    assert seen == [False, False, True, True, False]


def test_reload_drops_what_was_not_committed(path: Path) -> None:
    """reload() gives what is stored, as value and as result, whatever memory held."""
    store = atomic_store.open(path, default=[])
    store.value.append("kept")
    store.commit()
    store.value.append("dropped")
    assert store.reload() == ["kept"]
    assert store.value == ["kept"]
    by_hand(path, ["hand edit"])
    assert store.reload() == ["hand edit"]


def test_reload_of_nothing_gives_a_fresh_default(path: Path) -> None:
    """Where nothing is stored, each reload gives the default as it was at open(), not as a block has left it."""
    default = {"a": [1]}
    store = atomic_store.open(path, default=default)
    store.value["a"].append(2)
    default["a"].append(3)
    assert store.reload() == {"a": [1]}
    store.value["a"].append(4)
    assert store.reload() == {"a": [1]}


def test_failed_reload_leaves_the_value(path: Path) -> None:
    """When what is stored has become unreadable, the value and `stored` are what they were."""
    by_hand(path, [1])
    store = atomic_store.open(path)
    path.write_text("[1,")
    with pytest.raises(LoadError):
        store.reload()
    assert store.value == [1]
    assert store.stored


def test_failed_commit_leaves_store_and_place(path: Path) -> None:
    """A value that cannot be written stays in memory, the old one at the place; the next commit works."""
    by_hand(path, "old")
    store = atomic_store.open(path)
    store.value = {1, 2}
    with pytest.raises(TypeError):
        store.commit()
    assert stored(path) == "old"
    assert store.value == {1, 2}
    assert inside(path.parent) == ["value.json"]
    store.value = [1, 2]
    store.commit()
    assert stored(path) == [1, 2]


def test_commit_outside_any_block_is_seen_at_once(path: Path) -> None:
    """Each commit() is complete by itself; nothing waits for a block."""
    store = atomic_store.open(path)
    for value in (1, 2):
        store.value = value
        store.commit()
        assert stored(path) == value


def test_store_shows_where_it_is(path: Path) -> None:
    """A store in a traceback names its place and its format."""
    assert repr(atomic_store.open("runs.json")) == "<AtomicStore 'runs.json', format json>"


def test_class_takes_a_type_at_run_time() -> None:
    """AtomicStore[int], which is for type checkers, is harmless in a program that runs."""
    assert AtomicStore[int] is AtomicStore


# --- blocks ----------------------------------------------------------------------------------------------------------


def test_clean_end_of_a_block_commits(path: Path) -> None:
    """The block's value is there once it has ended, and not before."""
    with atomic_store.open(path, default=[]) as store:
        store.value.append(1)
        assert not path.exists()
    assert stored(path) == [1]


def test_return_out_of_a_block_commits(path: Path) -> None:
    """return, break and continue are clean ends."""

    def returns() -> None:
        with atomic_store.open(path) as store:
            store.value = "returned"
            return

    returns()
    assert stored(path) == "returned"
    store = atomic_store.open(path)
    for word in ("continued", "broken"):
        with store:
            store.value = word
            if word == "continued":
                continue
            break
    assert stored(path) == "broken"


@pytest.mark.parametrize("error", LEAVING)
@pytest.mark.parametrize("existing", [False, True])
def test_exception_in_a_block_commits_nothing(path: Path, error: type[BaseException], existing: bool) -> None:
    """Any exception, the ones that end programs too, leaves the place as it was and the value as the block left it."""
    if existing:
        by_hand(path, ["old"])
    store = atomic_store.open(path, default=["default"])
    with pytest.raises(error), store:
        store.value.append("half done")
        raise error
    assert path.exists() is existing
    assert not existing or stored(path) == ["old"]
    assert store.value[1:] == ["half done"]
    assert store.level == 0
    assert store.reload() == (["old"] if existing else ["default"])


def test_generator_that_is_closed_commits_nothing(path: Path) -> None:
    """A generator given up in the middle of its block leaves the place as it was; one that ends commits."""
    store = atomic_store.open(path, default=[])

    def steps() -> Iterator[int]:
        with store:
            for n in range(3):
                store.value.append(n)
                yield n

    unfinished = steps()
    next(unfinished)
    unfinished.close()  # type: ignore[attr-defined]  # an Iterator for the checkers, a generator in truth
    assert not path.exists()
    assert list(steps()) == [0, 1, 2]
    assert stored(path) == [0, 0, 1, 2]


@pytest.mark.parametrize("error", LEAVING)
def test_exception_in_an_inner_block_stops_only_its_own_commit(path: Path, error: type[BaseException]) -> None:
    """Caught in the outer block, it costs the inner commit; the outer one still commits the value, as it is then."""
    by_hand(path, [])
    store = atomic_store.open(path)
    with store:
        with pytest.raises(error), store:
            store.value.append("inner")
            raise error
        assert stored(path) == []
        assert store.level == 1
        store.value.append("outer")
    assert stored(path) == ["inner", "outer"]


@pytest.mark.parametrize("ignore_inner_exits", [False, True])
@pytest.mark.parametrize("error", LEAVING)
def test_exception_through_all_blocks_commits_at_none(
    path: Path, error: type[BaseException], ignore_inner_exits: bool
) -> None:
    """On its way out through nested blocks an exception commits nothing, at any level."""
    by_hand(path, [])
    store = atomic_store.open(path, ignore_inner_exits=ignore_inner_exits)
    with pytest.raises(error), store, store, store:
        store.value.append("half done")
        raise error
    assert stored(path) == []
    assert store.level == 0


def test_exception_after_an_inner_block_cannot_call_back_its_commit(path: Path) -> None:
    """What an inner exit has committed stays when the outer block fails later; ignore_inner_exits is the way out."""
    store = atomic_store.open(path, default=[])
    with pytest.raises(RuntimeError), store:
        with store:
            store.value.append("inner")
        raise RuntimeError
    assert stored(path) == ["inner"]

    store = atomic_store.open(path, ignore_inner_exits=True)
    with pytest.raises(RuntimeError), store:
        with store:
            store.value.append("second")
        raise RuntimeError
    assert stored(path) == ["inner"]


def test_only_the_outermost_exit_writes_if_inner_ones_are_ignored(path: Path) -> None:
    """With ignore_inner_exits=True, no other moment than the last exit changes the place."""
    store = atomic_store.open(path, default=0, ignore_inner_exits=True)
    with store:
        for n in (1, 2):
            with store, store:
                store.value = n
            assert not path.exists()
    assert stored(path) == 2


def test_commit_inside_a_block_writes_at_once(path: Path) -> None:
    """commit() asks neither for the level nor for ignore_inner_exits; what follows is committed by the exit."""
    store = atomic_store.open(path, ignore_inner_exits=True)
    with store, store:
        store.value = "first"
        store.commit()
        assert stored(path) == "first"
        store.value = "second"
    assert stored(path) == "second"


def test_exception_keeps_what_commit_has_written_before_it(path: Path) -> None:
    """A step that commit() has stored stays stored when the block fails later."""
    with pytest.raises(RuntimeError), atomic_store.open(path) as store:
        store.value = "step 1"
        store.commit()
        store.value = "step 2"
        raise RuntimeError
    assert stored(path) == "step 1"


def test_failed_commit_at_an_exit_leaves_the_store_usable(path: Path) -> None:
    """The format's exception leaves the block, the level is right, and the next block commits."""
    by_hand(path, "old")
    store = atomic_store.open(path)
    with pytest.raises(TypeError, match="not JSON serializable"), store, store:
        store.value = object()
    assert store.level == 0
    assert stored(path) == "old"
    with store:
        store.value = "new"
    assert stored(path) == "new"


@pytest.mark.parametrize("lock", [False, True])
def test_leaving_more_often_than_entering_is_an_error(path: Path, lock: bool) -> None:
    """An exit without its enter commits nothing, breaks no later block, and says what is wrong."""
    store = atomic_store.open(path, default=1, lock=lock)
    with store:
        store.value = 2
    store.value = 3
    with pytest.raises(AtomicStoreError, match=r"value\.json.* more often"):
        store.__exit__(None, None, None)
    assert stored(path) == 2
    assert store.level == 0


# --- the default -----------------------------------------------------------------------------------------------------


def test_sentinel_is_still_the_sentinel(path: Path) -> None:
    """A bare object() passes by identity, also through reload(): `store.value is MISSING` works."""
    missing = object()
    store = atomic_store.open(path, default=missing)
    assert store.value is missing
    assert store.reload() is missing


def test_callers_default_never_changes(path: Path) -> None:
    """The default is copied through and through: no change of the value, at any depth, reaches the caller's object."""
    default: dict[str, Any] = {"jobs": [{"done": []}]}
    with atomic_store.open(path, default=default) as store:
        store.value["jobs"][0]["done"].append(1)
        store.value["more"] = 1
    assert default == {"jobs": [{"done": []}]}


def test_default_changed_by_the_caller_does_not_change_the_store(path: Path) -> None:
    """The copy is made at open(): what the caller does to its object later is its own affair."""
    default: list[int] = []
    store = atomic_store.open(path, default=default)
    default.append(1)
    assert store.value == []
    assert store.reload() == []


def test_default_that_cannot_be_copied_is_refused_at_open(path: Path) -> None:
    """A TypeError names the type and the reason, before there is a store to lose data with."""
    with pytest.raises(TypeError, match="lock cannot be") as caught:
        atomic_store.open(path, default=[threading.Lock()][0])
    assert isinstance(caught.value.__cause__, TypeError)


def test_default_is_refused_whether_or_not_it_is_needed(path: Path) -> None:
    """A program that works today does not fail on the day its file is missing."""
    by_hand(path, 1)
    with pytest.raises(TypeError):
        atomic_store.open(path, default=(n for n in range(3)))


def test_default_whose_copy_fails_in_its_own_way_is_a_type_error(path: Path) -> None:
    """Whatever __deepcopy__ raises becomes the cause of one clear TypeError."""

    class Stubborn:
        def __deepcopy__(self, memo: dict[int, Any]) -> Stubborn:
            raise ValueError("I am unique")

    with pytest.raises(TypeError, match="I am unique") as caught:
        atomic_store.open(path, default=Stubborn())
    assert isinstance(caught.value.__cause__, ValueError)


# --- attributes ------------------------------------------------------------------------------------------------------


def test_moved_store_writes_to_its_new_place(path: Path, tmp_path: Path) -> None:
    """Assigning `path` reads nothing; the next commit writes there, the old file stays."""
    by_hand(path, "old")
    store = atomic_store.open(path)
    store.path = tmp_path / "other.json"
    assert store.value == "old"
    store.value = "new"
    store.commit()
    assert stored(path) == "old"
    assert stored(tmp_path / "other.json") == "new"
    by_hand(tmp_path / "other.json", "hand edit")
    assert store.reload() == "hand edit"


def test_moved_store_overwrites_no_stranger(path: Path, tmp_path: Path) -> None:
    """With on_conflict="raise" a moved store has read nothing of its new place, and so creates but does not replace."""
    store = atomic_store.open(path, default=1, on_conflict="raise")
    store.path = tmp_path / "other.json"
    by_hand(tmp_path / "other.json", "a stranger's")
    with pytest.raises(ConflictError):
        store.commit()
    assert stored(tmp_path / "other.json") == "a stranger's"


@pytest.mark.parametrize("attribute", ["path", "format", "is_binary"])
def test_refused_attribute_leaves_the_store_as_it_was(path: Path, attribute: str) -> None:
    """An assignment that raises changes nothing: the next commit goes where and how the last one did."""
    store = atomic_store.open(path, default=1)
    with pytest.raises((TypeError, ValueError)):
        setattr(store, attribute, 42)
    store.commit()
    assert stored(path) == 1


def test_path_cannot_move_under_a_held_lock(path: Path, tmp_path: Path) -> None:
    """Inside a block with lock= the place is fixed: the lock is that place's."""
    with atomic_store.open(path, default=1, lock=True) as store, pytest.raises(AtomicStoreError, match="leave the block"):
        store.path = tmp_path / "other"
    assert stored(path) == 1


def test_new_format_forgets_what_the_old_one_has_shown(path: Path) -> None:
    """A store that has read text is given another format: that one's bytes are found out afresh."""
    by_hand(path, "old")
    store = atomic_store.open(path, format=Files(lambda value, file: file.write(value), lambda text: "" + text))
    assert store.value == '"old"'
    store.format = Files(lambda value, file: file.write(value.encode("utf-16")), lambda data: data.decode("utf-16"))
    store.commit()
    assert path.read_bytes() == '"old"'.encode("utf-16")
    assert store.reload() == '"old"'


# --- update(), changed(), delete() -----------------------------------------------------------------------------------


def test_update_starts_from_what_is_stored(path: Path) -> None:
    """update() reads afresh: neither what others wrote nor an uncommitted change of ours is built upon wrongly."""
    store = atomic_store.open(path, default=[])
    store.value.append("uncommitted")
    by_hand(path, ["hand edit"])
    assert store.update(lambda value: [*value, "updated"]) == ["hand edit", "updated"]
    assert stored(path) == store.value == ["hand edit", "updated"]
    assert store.stored


def test_update_of_nothing_starts_from_the_default(path: Path) -> None:
    """Where nothing is stored, fn gets a fresh default, and may change it in place."""
    default: list[int] = []
    store = atomic_store.open(path, default=default)

    def add(value: list[int]) -> list[int]:
        value.append(1)
        return value

    store.update(add)
    store.update(add)
    assert stored(path) == [1, 1]
    assert default == []


def test_update_without_a_return_is_an_error(path: Path) -> None:
    """The forgotten `return` does not store None: it is a TypeError that says so, and nothing changes."""
    by_hand(path, [1])
    store = atomic_store.open(path)
    with pytest.raises(TypeError, match="return the new value"):
        store.update(lambda value: value.append(2))
    assert store.value == stored(path) == [1]


def test_update_whose_function_fails_changes_nothing(path: Path) -> None:
    """What fn raises comes out as it is; store and place are what they were, also if fn had changed its argument."""
    by_hand(path, [1])
    store = atomic_store.open(path)

    def fails(value: list[int]) -> list[int]:
        value.append(2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.update(fails)
    assert store.value == stored(path) == [1]


def test_update_to_what_cannot_be_written_changes_nothing(path: Path) -> None:
    """A new value that the format refuses leaves store and place as they were."""
    by_hand(path, [1])
    store = atomic_store.open(path)
    with pytest.raises(TypeError, match="serializable"):
        store.update(lambda _: object())
    assert store.value == stored(path) == [1]


@pytest.mark.parametrize("lock", [False, True])
def test_update_inside_a_block_is_refused(path: Path, lock: bool) -> None:
    """Inside `with` the value is at hand: update() would drop its changes, and says what to do instead."""
    with atomic_store.open(path, default=[], lock=lock) as store:
        store.value.append("kept")
        with pytest.raises(AtomicStoreError, match=r"change store\.value"):
            store.update(lambda value: [*value, "lost"])
    assert stored(path) == ["kept"]


def test_changed_sees_what_others_do(path: Path) -> None:
    """changed() is true after another's creation, replacement or deletion, and false after our own read or commit."""
    store, other = atomic_store.open(path, default=1), atomic_store.open(path, default="other")
    assert not store.changed()
    other.commit()
    assert store.changed()
    store.reload()
    assert not store.changed()
    store.commit()
    assert not store.changed()
    path.unlink()
    assert store.changed()


def test_touch_is_no_change_for_a_store_that_compares(path: Path) -> None:
    """With on_conflict="raise" content counts: a touch, a chmod or the same bytes again are no change."""
    by_hand(path, 1)
    store = atomic_store.open(path, on_conflict="raise")
    os.utime(path, ns=(1, 1))
    path.chmod(0o600)
    by_hand(path, 1)
    assert not store.changed()
    store.commit()
    by_hand(path, 2)
    assert store.changed()


def test_delete_goes_back_to_the_default(path: Path) -> None:
    """After delete() nothing is stored, the value is a fresh default, and the next commit creates the file anew."""
    by_hand(path, [1])
    store = atomic_store.open(path, default=["default"])
    store.delete()
    assert inside(path.parent) == []
    assert store.value == ["default"]
    assert store.stored is False
    store.value.append(2)
    store.commit()
    assert stored(path) == ["default", 2]


def test_delete_of_nothing_is_no_error(path: Path) -> None:
    """That there is nothing to delete is what was wanted."""
    store = atomic_store.open(path, default=1)
    store.value = 2
    store.delete()
    store.delete()
    assert store.value == 1


@pytest.mark.parametrize("again", ["assigned", "committed", "only changed"])
def test_deleted_inside_a_block_stays_deleted(path: Path, again: str) -> None:
    """The exit after a delete() commits nothing, unless a value was assigned or commit() called since."""
    by_hand(path, [1])
    with atomic_store.open(path, default=[]) as store:
        store.delete()
        store.value.append(2)
        if again == "assigned":
            store.value = [3]
        elif again == "committed":
            store.commit()
    assert inside(path.parent) == ([] if again == "only changed" else ["value.json"])
    with store:
        pass
    assert path.exists()


def test_delete_does_not_hit_a_stranger(path: Path) -> None:
    """With on_conflict="raise" only what was read is deleted; a hand edit meanwhile stays."""
    by_hand(path, 1)
    store = atomic_store.open(path, on_conflict="raise")
    by_hand(path, "hand edit")
    with pytest.raises(ConflictError):
        store.delete()
    assert stored(path) == "hand edit"
    assert store.value == 1


# --- when nobody knows whether it lasts -------------------------------------------------------------------------------


def test_commit_again_after_an_uncertain_update_does_not_undo_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an update that is visible but may not last, the value is the new one: the advised commit() stores that."""
    by_hand(path, 1)
    store = atomic_store.open(path, on_conflict="raise")
    directories_cannot_be_synced(monkeypatch)
    with pytest.raises(UncertainCommitError):
        store.update(lambda value: value + 1)
    assert store.value == stored(path) == 2
    monkeypatch.undo()
    store.commit()
    assert stored(path) == 2


def test_commit_again_after_an_uncertain_commit_is_no_conflict(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store knows the version that its own uncertain commit has left: the next one does not meet a stranger."""
    store = atomic_store.open(path, default=1, on_conflict="raise")
    directories_cannot_be_synced(monkeypatch)
    with pytest.raises(UncertainCommitError) as caught:
        store.commit()
    assert caught.value.version is not None
    assert not store.changed()
    monkeypatch.undo()
    store.commit()
    assert stored(path) == 1


@pytest.mark.parametrize("inside_a_block", [False, True])
def test_uncertain_deletion_is_not_brought_back(path: Path, monkeypatch: pytest.MonkeyPatch, inside_a_block: bool) -> None:
    """What is gone, though perhaps not for good, is deleted: the value is the default, no exit restores the old one."""
    by_hand(path, "old")
    store = atomic_store.open(path, default="default", on_conflict="raise")
    directories_cannot_be_synced(monkeypatch)
    with store if inside_a_block else contextlib.nullcontext():
        with pytest.raises(UncertainCommitError):
            store.delete()
        monkeypatch.undo()
    assert not path.exists()
    assert store.value == "default"
    assert not store.changed()
    store.commit()
    assert stored(path) == "default"


def test_deleting_again_after_an_uncertain_deletion_syncs_the_directory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the error advises works: the second delete() finds no file, and makes just that durable."""
    by_hand(path, "old")
    store = atomic_store.open(path)
    directories_cannot_be_synced(monkeypatch)
    for _ in range(2):
        with pytest.raises(UncertainCommitError, match="once more"):
            store.delete()
    monkeypatch.undo()
    synced = directories_synced(monkeypatch)
    store.delete()
    assert synced == [str(path.parent)]


def test_looking_again_does_not_bring_back_what_a_block_has_deleted(path: Path) -> None:
    """reload() after delete() inside a block reads that nothing is there: the exit still writes nothing."""
    by_hand(path, "old")
    store = atomic_store.open(path, default="default")
    with store:
        store.delete()
        assert store.reload() == "default"
    assert not path.exists()
    store.commit()
    assert stored(path) == "default"


def test_dump_that_swallows_a_failed_write_publishes_no_torn_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a write has failed, the commit fails with its error, whatever the format makes of it; the old file is whole."""

    class Careless:
        @staticmethod
        def dump(value: bytes, file: Any) -> None:
            for start in range(0, len(value), 100_000):
                with contextlib.suppress(OSError):
                    file.write(value[start : start + 100_000])

        @staticmethod
        def load(file: Any) -> Any:
            return file.read()

    path.write_bytes(b"old")
    store = atomic_store.open(path, format=Careless, on_conflict="raise")
    store.value = b"n" * 500_000
    writes: list[int] = []

    def full(descriptor: int, data: Any) -> int:
        writes.append(len(data))
        if len(writes) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return WRITE(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match=path.name) as caught:
        store.commit()
    monkeypatch.undo()
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"old"
    assert sorted(os.listdir(path.parent)) == [f".{path.name}.lock", path.name]
    store.commit()
    assert path.read_bytes() == store.value


def test_deletion_that_nobody_heard_of_keeps_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not known whether a deletion took effect, the value stays: no commit puts the default in its place."""
    place = Memory(b"[1]")
    store = atomic_store.open(place, default=[], on_conflict="raise")
    version = place.version()

    def unheard(self: Memory, expected: object = None) -> None:
        raise UncertainCommitError(errno.EIO, "no answer", version=version)

    with monkeypatch.context() as patch:
        patch.setattr(Memory, "delete", unheard)
        with pytest.raises(UncertainCommitError):
            store.delete()
    assert store.value == [1]
    store.commit()
    assert place.content == b"[1]"


# --- conflicts and locks, as far as one process sees them ------------------------------------------------------------


@pytest.mark.parametrize("act", ["created", "changed", "deleted"])
def test_conflict_loses_neither_side(path: Path, act: str) -> None:
    """With on_conflict="raise", what others did since the last read raises; place and memory are both whole."""
    if act != "created":
        by_hand(path, 1)
    store = atomic_store.open(path, on_conflict="raise")
    path.unlink() if act == "deleted" else by_hand(path, "theirs")
    store.value = "ours"
    with pytest.raises(ConflictError) as caught:
        store.commit()
    assert caught.value.path == path
    assert (caught.value.expected is None) is (act == "created")
    assert (caught.value.found is None) is (act == "deleted")
    assert path.exists() is (act != "deleted")
    assert act == "deleted" or stored(path) == "theirs"
    assert store.value == "ours"


def test_asked_to_overwrite_a_locking_store_overwrites(path: Path) -> None:
    """on_conflict="overwrite" counts with lock= as well."""
    store = atomic_store.open(path, default=1, lock=True, on_conflict="overwrite")
    by_hand(path, "hand edit")
    store.commit()
    assert stored(path) == 1


def test_block_with_a_lock_starts_from_what_is_stored(path: Path) -> None:
    """Once the lock is held, what others committed since open() is the value of the block."""
    store = atomic_store.open(path, default=[], lock=True)
    by_hand(path, ["theirs"])
    with store:
        store.value.append("ours")
    assert stored(path) == ["theirs", "ours"]


def test_assigned_value_is_not_dropped_by_a_locked_block(path: Path) -> None:
    """A value assigned outside, and a change by others: no side is dropped, the enter raises; without a change it counts."""
    store = atomic_store.open(path, default=[], lock=True)
    store.value = ["assigned"]
    with store:
        assert store.value == ["assigned"]
    store.value = ["again"]
    by_hand(path, ["theirs"])
    with pytest.raises(ConflictError, match="assigned outside"):
        store.__enter__()
    assert store.level == 0
    assert store.value == ["again"]
    assert stored(path) == ["theirs"]
    store.reload()
    with store:
        store.value.append("ours")
    assert stored(path) == ["theirs", "ours"]


def test_failed_block_with_a_lock_does_not_leak_into_the_next(path: Path) -> None:
    """The next locked block reads again after one that ended by an exception: half-done values are not committed."""
    store = atomic_store.open(path, default=[], lock=True)
    with pytest.raises(RuntimeError), store:
        store.value.append("half done")
        raise RuntimeError
    with store:
        store.value.append("whole")
    assert stored(path) == ["whole"]


def test_lock_that_is_taken_by_another_store_times_out(path: Path) -> None:
    """lock=0 tries once: a LockTimeout, which is a TimeoutError, names the path, and nothing was written."""
    first = atomic_store.open(path, default=1, lock=True)
    second = atomic_store.open(path, default=2, lock=0)

    def commits() -> None:
        with pytest.raises(LockTimeout, match=r"value\.json.*another thread of this program holds"):
            second.commit()

    with first, ThreadPoolExecutor(1) as other:
        other.submit(commits).result()
    assert stored(path) == 1


def test_lock_is_given_back_by_an_exception(path: Path) -> None:
    """After a block that failed, or whose commit failed, another store gets the lock at once."""
    first = atomic_store.open(path, default=1, lock=True)
    with pytest.raises(RuntimeError), first:
        raise RuntimeError
    with pytest.raises(TypeError), first:
        first.value = object()
    with atomic_store.open(path, default=2, lock=0) as second:
        pass
    assert stored(path) == second.value == 2


@pytest.mark.parametrize("lock", ["yes", None, object()])
def test_lock_of_a_wrong_type_is_refused(path: Path, lock: Any) -> None:
    """lock= takes a bool or seconds, and says so."""
    with pytest.raises(TypeError, match="lock should be"):
        atomic_store.open(path, lock=lock)


@pytest.mark.parametrize("lock", [-1, -0.1, float("nan")])
def test_lock_of_impossible_seconds_is_refused(path: Path, lock: float) -> None:
    """Seconds below zero, and no number at all, are a ValueError."""
    with pytest.raises(ValueError, match="seconds from 0 up"):
        atomic_store.open(path, lock=lock)


def test_seconds_beyond_every_clock_are_waited_for_ever(path: Path) -> None:
    """A number of seconds that no float can hold is a long time, and no OverflowError at the first block."""
    with atomic_store.open(path, default=1, lock=10**400):
        pass
    assert stored(path) == 1


@pytest.mark.parametrize("on_conflict", ["Raise", "", True])
def test_unknown_way_to_treat_conflicts_is_refused(path: Path, on_conflict: Any) -> None:
    """A misspelled on_conflict= is a ValueError at open(), not an overwritten file later."""
    with pytest.raises(ValueError, match='"overwrite" or "raise"'):
        atomic_store.open(path, on_conflict=on_conflict)


def test_child_of_a_fork_does_not_write_under_its_parents_lock(path: Path) -> None:
    """In a child, a block that the parent entered can neither commit nor be left cleanly, and the parent keeps its lock."""

    def child(store: AtomicStore[Any]) -> None:
        store.value = "the child's"
        for act in (store.commit, lambda: store.__exit__(None, None, None), lambda: store.update(lambda _: 1)):
            with pytest.raises(LockError, match="before a fork"):
                act()

    with atomic_store.open(path, default="the parent's", lock=True) as store:
        in_child(lambda: child(store))
        with ThreadPoolExecutor(1) as other, pytest.raises(LockTimeout):
            other.submit(atomic_store.open(path, lock=0).commit).result()
    assert stored(path) == "the parent's"


# --- threads ---------------------------------------------------------------------------------------------------------


def together(count: int, task: Callable[[int], None]) -> None:
    """Run the task in so many threads, all let go at once; raise what any of them raised."""
    gate = threading.Barrier(count)

    def begin(number: int) -> None:
        gate.wait()
        task(number)

    with ThreadPoolExecutor(count) as threads:
        for done in [threads.submit(begin, number) for number in range(count)]:
            done.result()


@pytest.mark.parametrize("format", ["json", "pickle"])
def test_threads_that_commit_one_store_never_mix_their_values(path: Path, format: str) -> None:
    """Each commit is whole: whatever the order, a reader finds the value of one thread, and no temp is left."""
    store = atomic_store.open(path, default=["start"] * 500, format=format)
    store.commit()

    def task(number: int) -> None:
        for _ in range(10):
            if number == 0:
                assert len(set(atomic_store.open(path, format=format).value)) == 1
            else:
                store.value = [f"thread {number}"] * 500
                store.commit()

    together(5, task)
    assert len(set(store.reload())) == 1
    assert inside(path.parent) == ["value.json"]


def test_threads_that_share_blocks_leave_the_level_right(path: Path) -> None:
    """Without lock=, blocks of several threads count together: all are left, and the last value is stored."""
    store = atomic_store.open(path, default=0)

    def task(number: int) -> None:
        for _ in range(10):
            with store, store:
                store.value = number

    together(4, task)
    assert store.level == 0
    assert stored(path) in range(4)


@pytest.mark.parametrize("way", ["with", "update"])
def test_threads_with_a_lock_lose_no_increment(path: Path, way: str) -> None:
    """One store with lock= belongs to one thread at a time: every increment of every thread is there in the end."""
    store = atomic_store.open(path, default=0, lock=True)

    def task(_: int) -> None:
        for _ in range(10):
            if way == "update":
                store.update(lambda value: value + 1)
            else:
                with store, store:
                    store.value += 1

    together(4, task)
    assert stored(path) == 40


def test_reload_waits_for_the_block_of_another_thread(path: Path) -> None:
    """A thread that reloads a store in whose block another thread works gets a committed value, and does not cut in."""
    store = atomic_store.open(path, default=0, lock=True)
    entered = threading.Event()
    reloaded: list[int] = []

    def reads() -> None:
        entered.wait()
        reloaded.append(store.reload())

    with ThreadPoolExecutor(1) as other:
        with store:
            done = other.submit(reads)
            entered.set()
            store.value = 1
        done.result()
    assert reloaded == [1]
    assert stored(path) == 1


@pytest.mark.parametrize("lock", [True, False])
def test_reload_during_whose_reading_another_thread_commits_takes_the_new_value(path: Path, lock: bool) -> None:
    """reload() whose reading overlaps another thread's block reads again, and puts no older value into memory.

    A store without lock= does so without a lock, and leaves no lock file behind.
    """
    reading, go_on = threading.Event(), threading.Event()

    def slowly(text: str) -> Any:
        if threading.current_thread() is not threading.main_thread() and not reading.is_set():
            reading.set()
            assert go_on.wait(60)
        return json.loads(text)

    store = atomic_store.open(path, default=0, lock=lock, format=Strings(json.dumps, slowly))
    store.commit()
    with ThreadPoolExecutor(1) as other:
        reloaded = other.submit(store.reload)
        assert reading.wait(60)
        with store:
            store.value = 1
        go_on.set()
        assert reloaded.result() == 1
    assert store.value == 1
    assert not store.changed()
    assert path.with_name(f".{path.name}.lock").exists() is lock


def test_entering_that_hangs_makes_no_other_thread_wait_for_ever(path: Path) -> None:
    """While one thread reads as it enters a block, another one's reload() ends after lock= seconds, and value= at once."""
    reading, go_on = threading.Event(), threading.Event()

    def slowly(text: str) -> Any:
        if threading.current_thread() is not threading.main_thread():
            reading.set()
            assert go_on.wait(60)
        return json.loads(text)

    store = atomic_store.open(path, default=0, lock=0.05, format=Strings(json.dumps, slowly))
    atomic_store.open(path).commit()
    with ThreadPoolExecutor(1) as other:
        block = other.submit(lambda: store.__enter__().__exit__(None, None, None))
        assert reading.wait(60)
        with pytest.raises(LockError, match="another thread has a block"):
            store.value = 1
        with pytest.raises(LockTimeout):
            store.reload()
        go_on.set()
        block.result()


def test_copied_store_does_not_share_the_block_of_the_first(path: Path) -> None:
    """copy.copy() gives a second store on the same place: it holds no lock, and the first one's block goes on."""
    store = atomic_store.open(path, default=[1], lock=True)
    with store:
        twin = copy.copy(store)
        assert (twin.value, twin.level, twin.path) == ([1], 0, store.path)
        with pytest.raises(LockError):
            twin.__enter__()
        store.value.append(2)
    with twin:
        twin.value = [*twin.value, 3]
    assert stored(path) == [1, 2, 3]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copy_of_a_store_that_has_deleted_stores_what_it_is_given(copied: Any, path: Path) -> None:
    """delete() in a block is the block's affair: a store copied there commits its own first block."""
    store = atomic_store.open(path, default=[])
    with store:
        store.delete()
        twin = copied(store)
    with twin:
        twin.value.append("important")
    assert stored(path) == ["important"]


@pytest.mark.parametrize("format", ["json", Strings(json.dumps, json.loads)], ids=["by name", "an object"])
def test_deep_copy_of_a_store_does_not_free_its_lock(path: Path, format: Any) -> None:
    """copy.deepcopy() is a second store with a copy of the value; when it goes, the first one's block still has its lock."""
    store = atomic_store.open(path, default=[[1]], lock=True, format=format)
    with store:
        twin = copy.deepcopy(store)
        store.value[0].append(2)
        assert (twin.value, twin.level) == ([[1]], 0)
        del twin
        gc.collect()
        with pytest.raises(LockTimeout), ThreadPoolExecutor(1) as other:
            other.submit(atomic_store.open(path, format=format, lock=0).__enter__).result()
    assert atomic_store.open(path, format=format).value == [[1, 2]]


@pytest.mark.parametrize("lock", [False, True])
def test_store_is_not_pickled_with_its_lock(path: Path, lock: bool) -> None:
    """A pickled store would be a second owner of lock and version in another process: TypeError, with the way out."""
    store = atomic_store.open(path, default=[1], lock=lock, format=Strings(json.dumps, json.loads))
    with store, pytest.raises(TypeError, match="pickle its value"):
        pickle.dumps(store)
    assert stored(path) == [1]
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        pickle.dumps(LocalFile(path).lock())


@pytest.mark.parametrize("act", ["block", "commit", "delete", "update"])
@pytest.mark.parametrize("lock", [True, False])
def test_step_inside_the_function_of_update_is_refused(path: Path, act: str, lock: bool) -> None:
    """What the function given to update() does with the store would be lost or lost on others: it raises at once."""
    store = atomic_store.open(path, default=1, lock=lock)
    acts: dict[str, Callable[[], object]] = {
        "block": store.__enter__,
        "commit": store.commit,
        "delete": store.delete,
        "update": lambda: store.update(lambda value: value),
    }

    def function(value: int) -> int:
        acts[act]()
        return value + 1

    with pytest.raises(AtomicStoreError, match=r"inside the function given to update\(\)"):
        store.update(function)
    assert (store.value, store.level, path.exists()) == (1, 0, False)
    assert store.update(lambda value: value + 1) == 2


def test_exit_can_be_called_by_the_class(path: Path) -> None:
    """A subclass, or a program that has the class at hand, calls AtomicStore.__exit__(store, ...)."""
    store = atomic_store.open(path, default=[])
    store.__enter__().value.append(1)
    kind: Any = AtomicStore
    kind.__exit__(store, None, None, None)
    assert path.read_bytes() == b"[1]"


def test_format_that_a_subclass_sets_first_is_settled_later(path: Path) -> None:
    """A subclass may set an attribute before it calls AtomicStore.__init__, whose argument then counts."""

    class Early(AtomicStore[Any]):
        def __init__(self) -> None:
            self.format = "pickle"
            super().__init__(str(path), default=1, format="json")

    store = Early()
    store.commit()
    assert path.read_bytes() == b"1"


@pytest.mark.parametrize("options", [{}, {"lock": True}, {"on_conflict": "raise"}], ids=repr)
def test_subclass_with_a_value_of_its_own_sees_every_new_one(path: Path, options: dict[str, Any]) -> None:
    """A subclass whose `value` is a property of its own, as 0.0.1 allowed, gets what each operation makes the value."""

    class Own(AtomicStore[Any]):
        @property
        def value(self) -> Any:
            return self._own

        @value.setter
        def value(self, value: Any) -> None:
            self._own = value

    store = Own(path, default={"n": 0}, **options)
    with store:
        store.value["n"] += 1
    assert store.update(lambda value: {"n": value["n"] + 1}) == store.value == {"n": 2}
    store.value = {"n": 3}
    store.commit()
    assert atomic_store.open(path).value == store.reload() == {"n": 3}
    store.delete()
    assert store.value == {"n": 0}


@pytest.mark.parametrize("format", [None, "pickle"])
def test_list_that_grows_or_shrinks_during_a_commit_is_not_stored(format: str | None, path: Path) -> None:
    """What another thread removes from the list meanwhile would be missing in the middle: an error, the old value stays."""

    class Thief:
        def __init__(self, items: list[Any]) -> None:
            self.items = items

        def __reduce__(self) -> Any:
            return steal(self)

    def steal(thief: Thief) -> Any:
        del thief.items[0]
        return (int, ()) if format else 0

    kwargs = {} if format else {"default": steal}
    store = atomic_store.open(path, default=[], format=format, dump_kwargs=kwargs)
    store.commit()
    before = path.read_bytes()
    store.value += [1, Thief(store.value), 2]
    with pytest.raises(RuntimeError, match="changed size"):
        store.commit()
    assert path.read_bytes() == before


def nothing_stored(path: Path) -> atomic_store.AtomicStore[Any]:
    return atomic_store.open(path, default=1)


def created(path: Path) -> atomic_store.AtomicStore[Any]:
    store = atomic_store.open(path, default=1, on_conflict="raise")
    store.commit()
    return store


def met_another(path: Path) -> atomic_store.AtomicStore[Any]:
    store = atomic_store.open(path, default=1, on_conflict="raise")
    path.write_text("2")
    with contextlib.suppress(atomic_store.ConflictError):
        store.commit()
    return store


def met_garbage(path: Path) -> atomic_store.AtomicStore[Any]:
    store = atomic_store.open(path, default=1, lock=True)
    path.write_text("[")
    with contextlib.suppress(atomic_store.LoadError), store:
        store.value = 2
    return store


def lost_its_directory(path: Path) -> atomic_store.AtomicStore[Any]:
    store = atomic_store.open(path, default=1)
    path.parent.rename(path.parent.with_name("away"))
    for act in (store.commit, store.reload, store.delete):
        with contextlib.suppress(OSError):
            act()
    return store


@pytest.mark.parametrize("made", [nothing_stored, created, met_another, met_garbage, lost_its_directory])
def test_dropped_store_waits_for_no_collector(made: Callable[[Path], atomic_store.AtomicStore[Any]], tmp_path: Path) -> None:
    """Once it is dropped a store is gone: no error that it has met keeps its frames, and their locks, in a cycle."""
    directory = tmp_path / "a"
    directory.mkdir()
    gc.disable()
    try:
        gone = weakref.ref(made(directory / "state"))
        assert gone() is None
    finally:
        gc.enable()
