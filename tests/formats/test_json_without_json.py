"""JSON in a program that has not imported json: its accelerator alone gives the same text, values and errors."""

from __future__ import annotations

import _json
import json
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import seams
from hypothesis import given
from hypothesis import strategies as st
from seams import json_format

import atomic_store

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)
TEXTS = VALUES.map(json.dumps) | st.text(alphabet='[]{}",:0123456789.eE-+ntfu\\ \n\ufeff', max_size=12) | st.text(max_size=6)


def said(act: Callable[[], object]) -> str:
    """Tell what a call returns or raises."""
    try:
        return repr(act())
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@given(VALUES)
def test_text_is_that_of_json(value: Any) -> None:
    """Each value is written as json.dumps() writes it."""
    expected = json.dumps(value)
    with pytest.MonkeyPatch.context() as patch:
        seams.without_json(patch)
        assert json_format.dumps(value) == expected
        assert "json" not in sys.modules


@pytest.mark.parametrize("value", [{1, 2}, object, b"x", [3j], {"a": {(): 1}}, {(1, 2): 3}])
def test_refusal_is_that_of_json(value: Any) -> None:
    """What json.dumps() refuses is refused in its words."""
    expected = said(lambda: json.dumps(value))
    with pytest.MonkeyPatch.context() as patch:
        seams.without_json(patch)
        assert said(lambda: json_format.dumps(value)) == expected


@given(TEXTS)
def test_value_and_error_are_those_of_json(text: str) -> None:
    """Each text, JSON or not, is read as json.loads() reads it, or refused in its words."""
    expected = said(lambda: json.loads(text))
    with pytest.MonkeyPatch.context() as patch:
        seams.without_json(patch)
        assert said(lambda: json_format.loads(text)) == expected


def test_json_is_imported_only_for_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text with white space around it needs json no more than any other, but for a begin that the scanner refuses."""
    seams.without_json(monkeypatch)
    assert json_format.loads("[1] \n") == [1]
    assert "json" not in sys.modules
    assert json_format.loads(" [1]") == [1]


def test_damage_is_told_where_json_cannot_be_imported_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is gone, and the bytes are no JSON: an error that says so, which is a verdict about the bytes."""
    seams.without_json(monkeypatch)
    monkeypatch.setitem(sys.modules, "json", None)
    assert json_format.loads("[1]") == [1]
    with pytest.raises(atomic_store.LoadError, match="it is no JSON") as caught:
        json_format.loads("[1")
    assert caught.value.damaged


@pytest.mark.parametrize("limit", [MemoryError, RecursionError])
def test_import_of_json_that_meets_a_limit_is_no_damage(limit: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """Json is imported to say what is wrong; where that fails for want of memory, nothing is known about the bytes."""

    class Finder:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "json":
                raise limit

    seams.without_json(monkeypatch)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(atomic_store.LoadError, match="it is no JSON") as caught:
        json_format.loads("{1")
    assert not caught.value.damaged


def test_interpreter_without_the_accelerator_uses_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is none, or it is not the one whose source was read, json is imported."""
    seams.without_json(monkeypatch, accelerator=False)
    assert json_format.dumps([1.5]) == "[1.5]"
    monkeypatch.delitem(sys.modules, "json")
    assert json_format.loads("[1.5]") == [1.5]


@pytest.mark.parametrize("how", ["another interpreter", "a version not read yet", "missing", "changed"])
def test_accelerator_that_is_not_the_known_one_is_not_used(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An accelerator whose source was never compared, that is missing, or that gives another text, is left alone."""
    assert None not in seams.json_accelerator()
    match how:
        case "another interpreter":
            monkeypatch.setattr(sys, "implementation", SimpleNamespace(name="pypy"))
        case "a version not read yet":
            monkeypatch.setattr(sys, "version_info", (3, 16, 0))
        case "missing":
            monkeypatch.delattr(_json, "make_encoder")
        case "changed":
            monkeypatch.setattr(_json, "make_encoder", lambda *_: lambda value, level: ["[1.50]"])
    assert seams.json_accelerator() == (None, None)
