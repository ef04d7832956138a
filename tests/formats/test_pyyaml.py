"""format=yaml, the module PyYAML, with Loader and Dumper among the keywords: as atomic-store 0.0.1 called it."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from support import require_ecosystem

import atomic_store
from atomic_store import LoadError
from atomic_store.testing import Memory

MODULES = ["yaml", "oyaml"]
yaml: Any = importlib.import_module("yaml")  # it ships no types


class Point:
    """An object that PyYAML can write with a tag of Python's."""

    def __init__(self, x: int) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and self.x == other.x

    __hash__ = None  # type: ignore[assignment]


def stored(value: Any, module: Any, **keywords: Any) -> bytes:
    place = Memory()
    atomic_store.open(place, value, module, **keywords).commit()
    assert place.content is not None
    return place.content


def back(value: Any, module: Any, **keywords: Any) -> Any:
    return atomic_store.open(Memory(stored(value, module, **keywords)), None, module, **keywords).value


@pytest.fixture(params=MODULES)
def module(request: pytest.FixtureRequest) -> Any:
    if request.param != "yaml":
        require_ecosystem(request.param)
    return importlib.import_module(request.param)


@pytest.mark.parametrize("loader", ["UnsafeLoader", "Loader", "FullLoader", "CLoader"])
def test_loader_alone_writes_as_the_original_did(module: Any, loader: str) -> None:
    """With a Loader of Python's types the full Dumper writes: tuples come back as such, and keys are sorted."""
    keywords = {"load_kwargs": {"Loader": getattr(module, loader)}}
    value = {"b": (1, 2), "a": 1}
    assert back(value, module, **keywords) == value
    assert stored(value, module, **keywords) == module.dump(value).encode()


def test_objects_come_back_under_the_unsafe_loader(module: Any) -> None:
    """Both keywords, and the Loader alone, keep an object; the Dumper alone writes it, as it did."""
    for keywords in ({}, {"dump_kwargs": {"Dumper": module.Dumper}}):
        assert back([Point(3)], module, load_kwargs={"Loader": module.UnsafeLoader}, **keywords) == [Point(3)]
    assert b"!!python/object" in stored([Point(3)], module, dump_kwargs={"Dumper": module.Dumper})


@pytest.mark.parametrize("loader", ["SafeLoader", "BaseLoader", "CSafeLoader"])
def test_safe_loader_alone_writes_what_it_can_read(module: Any, loader: str) -> None:
    """A Loader without Python's tags gets a file without them: 0.0.1 wrote what could not be loaded again."""
    keywords = {"load_kwargs": {"Loader": getattr(module, loader)}}
    assert b"!!python" not in stored({"b": (1, 2), "a": "x"}, module, **keywords)
    assert list(back({"b": ["x"], "a": "x"}, module, **keywords).items()) in (
        [("a", "x"), ("b", ["x"])],
        [("b", ["x"]), ("a", "x")],  # oyaml keeps the order
    )


def test_dumper_alone_is_the_one_that_writes(module: Any) -> None:
    """A Dumper writes by its own rules, and what it writes in plain YAML is loaded safely."""
    keywords = {"dump_kwargs": {"Dumper": module.SafeDumper, "default_flow_style": True}}
    value = {"b": 1, "a": [1]}
    assert back(value, module, **keywords) == value
    assert (
        stored(value, module, **keywords) == module.dump(value, Dumper=module.SafeDumper, default_flow_style=True).encode()
    )
    with pytest.raises(LoadError):
        back([Point(1)], module, dump_kwargs={"Dumper": module.Dumper})


def test_without_keywords_it_is_safe_and_keeps_the_order(module: Any) -> None:
    """As it is, the module writes and reads plain YAML in the order of the value."""
    assert back({}, module) == {}
    assert list(back({"b": 1, "a": 2}, module)) == ["b", "a"]
    with pytest.raises(yaml.representer.RepresenterError):
        stored([Point(1)], module)
