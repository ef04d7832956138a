"""Large JSON values, written piece by piece: the text must be that of json.dumps(), to the byte."""

from __future__ import annotations

import json
import os
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from seams import json_format

import atomic_store

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just("\ud800é")
KEYS = st.text(max_size=2) | st.integers() | st.floats() | st.booleans() | st.none()
VALUES = st.recursive(
    LEAVES,
    lambda inside: st.lists(inside) | st.lists(inside).map(tuple) | st.dictionaries(KEYS, inside),
    max_leaves=40,
)
KEYWORDS: Any = st.fixed_dictionaries(
    {},
    optional={
        "ensure_ascii": st.booleans(),
        "allow_nan": st.booleans(),
        "separators": st.sampled_from([None, (",", ":"), (", ", ": "), (" ;\n", "=")]),
    },
)


def said(write: Any) -> tuple[str, str]:
    """Give what a writer gives, or the type and text of what it raises."""
    try:
        return "text", write()
    except Exception as error:
        return type(error).__name__, str(error)


@pytest.fixture
def tiny_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take values of a few items apart as if they were large."""
    monkeypatch.setattr(json_format, "FIRST", 2)
    monkeypatch.setattr(json_format, "TEXT", 12)
    monkeypatch.setattr(json_format, "LEAVES", 3)


@pytest.mark.usefixtures("tiny_batches")
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VALUES, KEYWORDS)
def test_piecewise_text_differs_from_the_whole_for_no_value_and_no_keyword(value: Any, keywords: dict[str, Any]) -> None:
    """For any value and keywords, the pieces make the text of json.dumps(), or raise the same error."""
    assert said(lambda: "".join(json_format.pieces(value, keywords))) == said(lambda: json.dumps(value, **keywords))


@pytest.mark.usefixtures("tiny_batches")
def test_piecewise_text_differs_in_none_of_twenty_thousand_cases() -> None:
    """The same for 20,000 values from a seed, more than half of which are taken apart."""
    chance = random.Random(8)
    several = 0
    for _ in range(20_000):
        value, separators = _any_value(chance, 3), chance.choice([None, (",", ":"), (" ;", "=")])
        keywords: dict[str, Any] = {"ensure_ascii": chance.random() < 0.5, "separators": separators}
        pieces = list(json_format.pieces(value, keywords))
        assert "".join(pieces) == json.dumps(value, **keywords)
        several += len(pieces) > 1
    assert several > 10_000


def _any_value(chance: random.Random, depth: int) -> Any:
    kind = chance.random()
    if depth == 0 or (depth < 3 and kind < 0.4):
        return chance.choice([1, 1.5, "é\ud800", None, True, "", float("nan"), 10**30, (), [], {}])
    size = chance.choice([1, 2, 3, 5])
    inside = [_any_value(chance, depth - 1) for _ in range(size)]
    if kind < 0.6:
        return inside
    if kind < 0.7:
        return tuple(inside)
    return {chance.choice(["a", "é", 1, 2.5, None, True, f"k{number}"]): item for number, item in enumerate(inside)}


@pytest.mark.usefixtures("tiny_batches")
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_value_that_contains_itself_ends_in_an_error_and_not_in_a_full_disk(depth: int) -> None:
    """A circular reference through containers that are taken apart is json's ValueError."""
    value: list[Any] = [1, 2, 3, 4]
    inside: Any = value
    for _ in range(depth):
        inside = {"a": 1, "b": 2, "c": 3, "d": inside}
    value.append(inside)
    with pytest.raises(ValueError, match="Circular reference detected"):
        list(json_format.pieces(value, {}))


@pytest.mark.parametrize(
    ("keywords", "apart"),
    [
        ({}, True),
        ({"separators": (",", ":")}, True),
        ({"sort_keys": True}, False),
        ({"indent": 1}, False),
        ({"default": str}, False),
    ],
)
def test_large_value_is_stored_like_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keywords: dict[str, Any], apart: bool
) -> None:
    """A value of 400 kB is the same file as by json.dumps(), whichever way the keywords ask for."""
    taken: list[Any] = []
    pieces = json_format.pieces

    def noting(value: Any, keywords: dict[str, Any]) -> Iterator[str]:
        taken.append(value)
        return pieces(value, keywords)

    monkeypatch.setattr(json_format, "pieces", noting)
    value = {"jobs": [{"id": n, "tags": ["ä", None, n / 7]} for n in range(12_000)], "last": {"b": 1, "a": 2}}
    path = tmp_path / "large.json"
    store = atomic_store.open(path, value, dump_kwargs=keywords)
    store.commit()
    assert path.read_text("utf-8") == json.dumps(value, **keywords)
    assert store.reload() == value
    assert len(taken) == apart


@pytest.mark.parametrize("stored", [False, True])
def test_large_value_needs_no_second_copy_of_its_text(tmp_path: Path, stored: bool) -> None:
    """Committing 7 MB of JSON takes less than 4 MB of memory beside the value, also where an empty list was stored."""
    value = [{"id": n, "name": "x" * 30, "some": [1, 2, 3]} for n in range(100_000)]
    store = atomic_store.open(tmp_path / "large.json", on_conflict="raise")
    if stored:
        store.value = []
        store.commit()
    store.value = value
    tracemalloc.start()
    try:
        store.commit()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert os.path.getsize(tmp_path / "large.json") > 6_000_000
    assert peak < 4_000_000


def test_refused_item_deep_in_a_large_value_leaves_the_old_file(tmp_path: Path) -> None:
    """A large value with one item that JSON has not is json's TypeError, with the path, after pieces were written."""
    path = tmp_path / "large.json"
    path.write_text("[1]")
    store = atomic_store.open(path)
    store.value = [*range(300_000), object()]
    with pytest.raises(TypeError, match="not JSON serializable") as caught:
        store.commit()
    assert any("large.json" in note for note in caught.value.__notes__)
    assert path.read_text() == "[1]"
    assert os.listdir(tmp_path) == ["large.json"]


@pytest.mark.parametrize("before", [None, 2, 3_000_000])
@pytest.mark.parametrize(
    "value",
    [
        list(range(300_000)),
        {"turn": 0, "by": {}, "for": {}, "of": {}, "stations": [{"id": n, "name": "x"} for n in range(100_000)]},
        {"a": {"b": {"c": dict.fromkeys(range(300_000))}}},
        {"jobs": [{"id": n, "history": [n] * 5000} for n in range(50)]},
    ],
    ids=["list", "records", "deep", "many of some length"],
)
def test_value_that_has_grown_at_once_is_not_taken_for_a_small_one(value: Any, before: int | None) -> None:
    """Whatever it replaces, nothing or an empty list: a large value is written in pieces."""
    assert json_format.is_large(value, before)


@pytest.mark.parametrize("before", [None, 2])
def test_small_value_is_not_weighed(monkeypatch: pytest.MonkeyPatch, before: int | None) -> None:
    """A value without a long container goes the short way, whose price is a commit's."""

    def weight(*_: object) -> int:
        raise AssertionError("it was weighed")

    monkeypatch.setattr(json_format, "weight", weight)
    small: list[Any] = [0, "x" * 5000, [], {"n": 1}, {"turn": 0, "stations": [{"runs": [1, 2, 3]}] * 700}]
    for value in small:
        assert not json_format.is_large(value, before)


@pytest.mark.parametrize(
    ("value", "least"),
    [
        ([], 1),
        ("x" * 1000, 1),
        ({"a": {"b": {"c": list(range(5000))}}}, 5000),
        ([[0] * 10] * 100, 1000),
        ([[[[[[[[0] * 9] * 9] * 9]]]]], 1),
        ([*[[]] * 100, list(range(5000))], 5000),
    ],
)
def test_heavy_branch_is_not_overlooked(value: Any, least: int) -> None:
    """The guess at a value's weight sees one long container among many short ones, and ends for deep values."""
    assert json_format.weight(value, 10_000) >= least
