"""Verified: a value that would not come back as it is, is refused at the commit, and the message says where."""

from __future__ import annotations

import collections
import datetime as dt
import math
import os
from pathlib import Path
from typing import Any

import pytest
from seams import difference
from stand_ins import Files, Strings

import atomic_store
from atomic_store import Verified
from atomic_store.testing import Memory

NAN = math.nan


class Row:
    """An object that compares by identity, as most do."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __repr__(self) -> str:
        return f"Row({self.__dict__})"


class Column:
    """An object that compares cell by cell, as tables do: the result has no truth value."""

    def __eq__(self, other: object) -> Any:
        return Column()

    def __bool__(self) -> bool:
        raise ValueError("the truth value of a Column is ambiguous")

    __hash__ = None  # type: ignore[assignment]


def cycle() -> Any:
    """Make a value that contains itself."""
    value: dict[str, Any] = {"name": "a", "rows": []}
    value["rows"].append(value)
    return value


def deep(depth: int, end: Any) -> Any:
    value = end
    for _ in range(depth):
        value = [value]
    return value


SAME = [
    (None, None),
    ([1, "a", b"b", 1.5, True, None], [1, "a", b"b", 1.5, True, None]),
    ({"a": NAN, "b": [math.inf, -0.0]}, {"a": float("nan"), "b": [math.inf, 0.0]}),
    ({1: "a", "1": "b", 1.5: "c", None: "d"}, {None: "d", 1.5: "c", "1": "b", 1: "a"}),
    (collections.OrderedDict(a=1), {"a": 1}),
    ({frozenset([1]), (1, 2)}, {(1, 2), frozenset([1])}),
    (cycle(), cycle()),
    (deep(5_000, 1), deep(5_000, 1)),
    (Row(a=[1, Row(b=2)]), Row(a=[1, Row(b=2)])),
    (Column(), Column()),
    (object, object),
]


@pytest.mark.parametrize(("value", "again"), SAME)
def test_faithful_copy_is_no_difference(value: Any, again: Any) -> None:
    """NaN, keys of all kinds, values that contain themselves and depth beyond the recursion limit are told as equal."""
    assert difference(value, again) is None


DIFFERENT = [
    (1, "1", "$: 1 became '1'"),
    (1, True, "$: 1 became True"),
    (True, 1, "$: True became 1"),
    (1, 1.0, "$: 1 became 1.0"),
    ((1, 2), [1, 2], "$: (1, 2) became [1, 2]"),
    ({1}, [1], "$: {1} became [1]"),
    ({1}, frozenset([1]), "$: {1} became frozenset({1})"),
    (b"a", "a", "$: b'a' became 'a'"),
    (None, {}, "$: None became {}"),
    (NAN, None, "$: nan became None"),
    (NAN, 1.0, "$: nan became 1.0"),
    (1.0, NAN, "$: 1.0 became nan"),
    ("a\r\n", "a\n", r"$: 'a\r\n' became 'a\n'"),
    ([1, 2], [1], "$: 2 items became 1"),
    ([1], [1, 2], "$: 1 items became 2"),
    ({"jobs": [0, {"id": 7}]}, {"jobs": [0, {"id": "7"}]}, "$.jobs[1].id: 7 became '7'"),
    ({1: "a"}, {"1": "a"}, "$[1]: the key 1 is gone"),
    ({True: "a"}, {1: "a"}, "$[True]: the key True is gone"),
    ({"a b": {None: 1}}, {"a b": {"null": 1}}, "$.a b[None]: the key None is gone"),
    ({"a": 1}, {"a": 1, "b": 2}, "$: 1 keys became 2"),
    ({1: "a", "1": "b"}, {"1": "b"}, "$[1]: the key 1 is gone"),
    ([[1, 2], [1, 2]], [[1, 2], [1, 3]], "$[1][1]: 2 became 3"),
    (Row(a=[1]), Row(a=[2]), "$.a[0]: 1 became 2"),
    (Row(a=1), collections.UserDict(a=1), "$: Row({'a': 1}) became {'a': 1}"),
    (object(), 1, "$: <object objec"),
    (deep(5_000, 1), deep(5_000, 2), "[0][0]: 1 became 2"),
]


@pytest.mark.parametrize(("value", "again", "place"), DIFFERENT)
def test_difference_is_named_by_its_place(value: Any, again: Any, place: str) -> None:
    """What == takes for equal and what it does not, by type and by content: the first place that differs is named."""
    found = difference(value, again)
    assert found is not None
    assert place in found


def test_part_that_is_used_twice_is_compared_twice() -> None:
    """A part of the value that stands in two places may differ in the second one only."""
    part = [1]
    assert difference([part, part], [[1], [2]]) == "$[1][0]: 1 became 2"


def test_large_difference_makes_a_short_message() -> None:
    """A value of megabytes is not put into a message as a whole, nor does one whose repr() raises spoil it."""

    class Silent:
        def __repr__(self) -> str:
            raise ValueError("not told")

    assert len(difference("a" * 1_000_000, b"a" * 1_000_000) or "") < 200
    assert "Silent" in (difference(Silent(), 1) or "")


@pytest.mark.parametrize(
    ("format", "value", "place"),
    [
        (None, {"pair": (1, 2)}, "$.pair: (1, 2) became [1, 2]"),
        ("json", {"runs": {1: "a"}}, "$.runs[1]: the key 1 is gone"),
        ("yaml", {"all": (1, 2)}, "$.all: (1, 2) became"),
        ("toml", {"pair": [(1, 2)]}, "$.pair[0]: (1, 2) became [1, 2]"),
        ("msgpack", [(1,)], "$[0]: (1,) became [1]"),
        ("cbor", [(1,)], "$[0]: (1,) became [1]"),
        ("bson", {"a": (1,)}, "$.a: (1,) became [1]"),
        (Strings(repr, lambda content: None), [1], "$: [1] became None"),
    ],
)
def test_value_that_would_change_is_refused_at_the_commit(format: Any, value: Any, place: str, tmp_path: Path) -> None:
    """FormatError names format, place inside the value, path; old file whole, nothing beside it."""
    path = tmp_path / "value"
    atomic_store.open(path, {"old": 1}, format if isinstance(format, str) else None).commit()
    before = path.read_bytes()
    store = atomic_store.open(path, None, format if isinstance(format, str) else None)
    store.format = Verified(format)
    store.value = value
    with pytest.raises(atomic_store.FormatError) as caught:
        store.commit()
    assert place in str(caught.value)
    assert any(repr(path) in note for note in caught.value.__notes__)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["value"]


@pytest.mark.parametrize("format", ["json", "pickle", "yaml", "toml", "msgpack", "cbor", "bson"])
def test_verified_value_is_stored_as_without(format: str) -> None:
    """What passes is stored byte by byte as the format inside stores it, so that Verified can come and go."""
    value = {"name": "Zürich", "runs": [1, 2.5, True, False], "part": {"a": ["b"]}}
    plain, verified = Memory(), Memory()
    for place, given in ((plain, format), (verified, Verified(format))):
        store = atomic_store.open(place, None, given)
        store.value = value
        store.commit()
    assert plain.content == verified.content
    assert atomic_store.open(plain, None, Verified(format)).value == value
    again = atomic_store.open(verified, None, format)
    assert again.value == value
    again.format = Verified(format)
    again.commit()  # what was loaded, with whatever types the library has for it, passes as well
    assert verified.content == plain.content


def test_objects_in_a_pickle_pass() -> None:
    """Objects that have no == of their own are compared by what they hold; a value that contains itself passes."""
    place = Memory()
    store = atomic_store.open(place, None, Verified("pickle"))
    for value in (Row(a=1), cycle(), [Column()], {"nan": NAN}):
        store.value = value
        store.commit()
    store.value = Forgetful("secret")
    with pytest.raises(atomic_store.FormatError, match=r"\$\.word: 'secret' became None"):
        store.commit()


class Forgetful:
    """An object that loses something when it is pickled."""

    def __init__(self, word: str) -> None:
        self.word = word

    def __getstate__(self) -> dict[str, None]:
        return {"word": None}


def test_what_cannot_be_read_back_is_refused_with_its_reason() -> None:
    """A format whose loads raises on what its dumps wrote is a FormatError that tells both, and nothing is stored."""

    def loads(content: Any) -> Any:
        raise ArithmeticError("no way back")

    place = Memory()
    store = atomic_store.open(place, [1], Verified(Strings(repr, loads)))
    with pytest.raises(atomic_store.FormatError, match=r"can be written as Strings, but not read back: .*no way back"):
        store.commit()
    assert place.content is None


def test_refusal_of_the_format_stays_its_own() -> None:
    """A value that the format inside refuses raises what it raises without Verified."""
    store = atomic_store.open(Memory(), {1}, Verified())
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        store.commit()


def test_keywords_reach_the_format_inside() -> None:
    """dump_kwargs and load_kwargs are those of the format that is verified."""
    place = Memory()
    atomic_store.open(place, {"b": 1, "a": 2}, Verified("json"), dump_kwargs={"sort_keys": True}).commit()
    assert place.content == b'{"a": 2, "b": 1}'
    assert atomic_store.open(place, None, Verified("json"), load_kwargs={"parse_int": str}).value == {"a": "2", "b": "1"}


@pytest.mark.parametrize("wrap", [Verified, lambda name: atomic_store.Compressed(Verified(name))], ids=["alone", "inside"])
def test_value_that_only_load_keywords_bring_back_passes(wrap: Any) -> None:
    """The check reads as the next open() will: by the same load_kwargs, however deep the format is wrapped."""
    moment = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
    keywords: Any = {"dump_kwargs": {"datetime": True}, "load_kwargs": {"timestamp": 3}}
    place = Memory()
    atomic_store.open(place, moment, wrap("msgpack"), **keywords).commit()
    assert atomic_store.open(place, None, wrap("msgpack"), **keywords).value == moment
    with pytest.raises(atomic_store.FormatError, match="became Timestamp"):
        atomic_store.open(Memory(), moment, wrap("msgpack"), dump_kwargs={"datetime": True}).commit()


@pytest.mark.parametrize(("format", "value"), [("toml", {"open": [True]}), ("yaml", {"all": {1, 2}})])
def test_type_of_the_library_passes_where_it_is_equal(format: str, value: Any) -> None:
    """What comes back as a type that only the library has is compared by its ==: tomlkit's Bool, ruamel.yaml's set."""
    place = Memory()
    atomic_store.open(place, value, Verified(format)).commit()
    assert atomic_store.open(place, None, Verified(format)).value == value


def test_damaged_file_is_told_as_without() -> None:
    """LoadError names the path and the format, as without Verified."""
    with pytest.raises(atomic_store.LoadError, match=r"'here'.*json"):
        atomic_store.open(Memory(b"[1", "here"), None, Verified("json"))
    with pytest.raises(atomic_store.LoadError, match=r"'here'.*json"):
        atomic_store.open(Memory(b"", "here"), None, Verified("json"))


def test_auto_goes_by_the_path_of_the_store() -> None:
    """The suffix that "auto" means inside Verified is that of the store's path."""
    place = Memory(path="value.toml")
    atomic_store.open(place, {"a": 1}, Verified("auto")).commit()
    assert place.content == b"a = 1\n"
    assert atomic_store.open(place, None, Verified("auto")).value == {"a": 1}


@pytest.mark.parametrize("format", ["jqon", 7, object()])
def test_what_is_no_format_fails_at_once(format: Any) -> None:
    """Verified of what is no format raises where it is written, not at the first commit."""
    with pytest.raises(atomic_store.FormatError):
        Verified(format)


def test_file_is_written_in_one_go() -> None:
    """The format inside may write in any number of pieces, text or bytes: all of it arrives."""

    def dump(value: Any, file: Any) -> None:
        for item in value:
            file.write(f"{item}\n")

    place = Memory()
    format = Verified(Files(dump, lambda content: [int(line) for line in content.split()]))
    atomic_store.open(place, [1, 2, 3], format).commit()
    assert place.content == b"1\n2\n3\n"
