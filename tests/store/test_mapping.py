"""open_dict: at each kind of place, with each format that holds a mapping, and by CPython's own tests of UserDict."""

from __future__ import annotations

import importlib.util
import types
import unittest
from pathlib import Path
from typing import Any

import pytest
from mapping_contract import MappingContract
from places import InMemory, OnDisk
from stand_ins import by_hand, directories_cannot_be_synced, inside, stored
from support import require

import atomic_store
from atomic_store import ConflictError, LoadError, LockTimeout, UncertainCommitError
from atomic_store.mapping import StoredDict
from atomic_store.testing import Memory


class TestMemory(InMemory, MappingContract):
    """A place in memory."""


class TestLocalFile(OnDisk, MappingContract):
    """A file."""


class Fresh(StoredDict):
    """A dict of a new place, made as CPython's tests make a UserDict."""

    def __init__(self, data: Any = None, /, **items: Any) -> None:
        super().__init__(Memory(), None, None, False, {"format": "pickle"})
        self.update({} if data is None else data, **items)


@pytest.mark.parametrize(
    ("module", "suite", "count"), [("mapping_tests", "TestHashMappingProtocol", 22), ("test_userdict", "UserDictTest", 25)]
)
def test_programs_that_want_a_dict_get_one(
    module: str, suite: str, count: int, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    """CPython's own tests of mappings, and all of those of UserDict, pass with a dict of open_dict()."""
    require(importlib.util.find_spec("test.mapping_tests"), "needs CPython's own tests, which some distributions leave out")
    tests = importlib.import_module(f"test.{module}")
    if module == "test_userdict":
        monkeypatch.setattr(tests, "collections", types.SimpleNamespace(UserDict=Fresh))
    case = type("Suite", (getattr(tests, suite),), {"type2test": Fresh})
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    problems = [text for _, text in [*result.failures, *result.errors]]
    assert problems == []
    assert (result.testsRun, result.skipped, result.expectedFailures) == (count, [], [])
    record_property(f"tests of CPython's {module} passed", result.testsRun)


def test_class_itself_passes_for_a_mapping() -> None:
    """CPython's tests of mappings pass on the class: without a place it holds items, and only save() is refused."""
    require(importlib.util.find_spec("test.mapping_tests"), "needs CPython's own tests, which some distributions leave out")
    tests = importlib.import_module("test.mapping_tests")
    result = unittest.TestResult()
    # What it is made of is open_dict()'s business: the one test of dict(x=1) is left out.
    own = {"type2test": StoredDict, "test_constructor": None}
    case = type("Suite", (tests.TestHashMappingProtocol,), own)
    names = [name for name in unittest.defaultTestLoader.getTestCaseNames(case) if name != "test_constructor"]
    unittest.TestSuite(case(name) for name in names).run(result)
    assert result.testsRun == 21
    assert [text for _, text in [*result.failures, *result.errors]] == []
    d = StoredDict.fromkeys("ab")
    for refused in (d.save, d.delete):
        with pytest.raises(atomic_store.LocationError, match="has no place: open_dict"):
            refused()


def test_fromkeys_of_a_dict_is_another_dict_at_its_place(tmp_path: Path) -> None:
    """As with `|`: nothing is saved by making it, autosave is off, and its own save() writes to the same place."""
    d = atomic_store.open_dict(tmp_path / "a.json", data={"a": 1}, autosave=True)
    made = d.fromkeys("xy", 0)
    assert (made, made.autosave, made.location) == ({"x": 0, "y": 0}, False, d.location)
    assert stored(tmp_path / "a.json") == {"a": 1}
    made.save()
    assert stored(tmp_path / "a.json") == {"x": 0, "y": 0}


@pytest.mark.parametrize("wrong", ["yes", 1, None, 0])
def test_autosave_that_is_no_bool_is_refused(wrong: Any, tmp_path: Path) -> None:
    """S3Dict's positions shift easily: whatever lands in autosave by mistake is a TypeError, and nothing is written."""
    with pytest.raises(TypeError, match="autosave should be True or False"):
        atomic_store.open_dict(tmp_path / "a", autosave=wrong)
    d = atomic_store.open_dict(tmp_path / "a")
    with pytest.raises(TypeError, match="autosave should be True or False"):
        d.autosave = wrong
    assert inside(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "here"),
    [("file_name", "location"), ("bucket_name", "location"), ("auto_save", "autosave"), ("access_key_id", "client=")],
)
def test_attribute_of_s3dict_is_refused_with_its_new_name(name: str, here: str, tmp_path: Path) -> None:
    """Reading or setting it is an AttributeError that says what it is called here: set silently, it would change nothing."""
    d = atomic_store.open_dict(tmp_path / "a")
    with pytest.raises(AttributeError, match=f"{name}.*{here}"):
        getattr(d, name)
    with pytest.raises(AttributeError, match=f"{name}.*{here}"):
        setattr(d, name, "x")
    assert not hasattr(d, "anything_else")


def test_userdict_test_sees_a_wrong_dict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a dict whose clear() does nothing does not pass CPython's tests."""
    require(importlib.util.find_spec("test.mapping_tests"), "needs CPython's own tests, which some distributions leave out")
    tests = importlib.import_module("test.mapping_tests")
    monkeypatch.setattr(StoredDict, "clear", lambda self: None)
    result = unittest.TestResult()
    case = type("Suite", (tests.TestHashMappingProtocol,), {"type2test": Fresh})
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.failures


@pytest.mark.parametrize("format", [None, "json", "pickle", "bson", "yaml", "toml", "msgpack", "cbor"])
def test_each_format_that_holds_a_mapping_keeps_it(format: Any, tmp_path: Path) -> None:
    """What is put in comes out in the next program, in every named format."""
    path = tmp_path / "state"
    with atomic_store.open_dict(path, format=format) as d:
        d["name"] = "é"
        d["inner"] = {"list": [1, 2.5, True]}
    again = atomic_store.open_dict(path, format=format)
    assert dict(again) == {"name": "é", "inner": {"list": [1, 2.5, True]}}
    again["inner"]["list"].append(3)
    again.save()
    assert atomic_store.open_dict(path, format=format)["inner"]["list"] == [1, 2.5, True, 3]


@pytest.mark.parametrize("argument", ["default", "data"])
@pytest.mark.parametrize("wrong", [3, "text", [1], object()])
def test_argument_that_is_no_mapping_is_refused(argument: str, wrong: Any, tmp_path: Path) -> None:
    """What cannot become a dict is a TypeError that names the argument, before anything is read or written."""
    with pytest.raises(TypeError, match=f"{argument} should be a mapping"):
        atomic_store.open_dict(tmp_path / "a", **{argument: wrong}, autosave=True)
    assert inside(tmp_path) == []


def test_read_only_mapping_of_a_format_is_refused() -> None:
    """A format that gives a mapping which nobody can change is no format for a dict: LoadError, not a later TypeError."""
    with pytest.raises(LoadError, match="holds a mappingproxy"):
        atomic_store.open_dict(Memory(b"x"), format=(lambda value: b"x", lambda content: types.MappingProxyType({})))


def test_missing_key_asks_missing() -> None:
    """A subclass with __missing__ has its say, as with a UserDict."""

    class Counting(Fresh):
        def __missing__(self, key: Any) -> int:
            return 0

    assert Counting()["nothing"] == 0
    assert "nothing" not in Counting()


# --- locks ---


def test_lock_keeps_others_out_and_reads_what_is_new(tmp_path: Path) -> None:
    """With lock= a block reads what another program has saved, and no other one gets in meanwhile."""
    path = tmp_path / "state.json"
    d = atomic_store.open_dict(path, lock=0)
    by_hand(path, {"theirs": 1})
    with d:
        assert d == {"theirs": 1}
        d["ours"] = 2
        with pytest.raises(atomic_store.LockError):
            atomic_store.open_dict(path, data={}, lock=0).save()
    assert stored(path) == {"theirs": 1, "ours": 2}


def test_change_outside_a_block_is_not_dropped_silently(tmp_path: Path) -> None:
    """With lock=, what was changed outside a block is saved by the block, or is a ConflictError: never lost unseen."""
    path = tmp_path / "state.json"
    d = atomic_store.open_dict(path, lock=True)
    d["ours"] = 1
    with d:
        assert d == {"ours": 1}
    assert stored(path) == {"ours": 1}
    d["ours"] = 2
    by_hand(path, {"theirs": 1})
    with pytest.raises(ConflictError), d:
        pass
    assert d == {"ours": 2}
    assert stored(path) == {"theirs": 1}


def test_block_that_meets_no_mapping_leaves_no_lock_behind(tmp_path: Path) -> None:
    """A block that finds a list where the dict was is a LoadError; the lock is free again, the dict as it was."""
    path = tmp_path / "state.json"
    d = atomic_store.open_dict(path, {"a": 1}, lock=0)
    by_hand(path, [1])
    with pytest.raises(LoadError), d:
        pass
    assert d == {"a": 1}
    try:
        with atomic_store.open(path, lock=0):
            pass
    except LockTimeout:
        pytest.fail("the lock is still held")


def test_deletion_that_may_not_last_clears_memory_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the sync of the directory fails, the file is gone, the dict empty; the error says that it may be back."""
    path = tmp_path / "state.json"
    d = atomic_store.open_dict(path, {"a": 1}, autosave=True)
    directories_cannot_be_synced(monkeypatch)
    with pytest.raises(UncertainCommitError):
        d.delete()
    assert d == {}
    assert inside(tmp_path) == []


def test_refused_deletion_clears_nothing(tmp_path: Path) -> None:
    """A deletion that meets somebody else's value leaves both the file and the dict alone."""
    path = tmp_path / "state.json"
    d = atomic_store.open_dict(path, {"a": 1}, on_conflict="raise")
    by_hand(path, {"theirs": 1})
    with pytest.raises(ConflictError):
        d.delete()
    assert d == {"a": 1}
    assert stored(path) == {"theirs": 1}
