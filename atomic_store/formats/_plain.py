"""Loaded values in built-in types: ruamel.yaml and tomlkit have classes of their own, which carry comments and layout."""

# What users store is anything: its type is not known here.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import sys
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_KINDS: tuple[Any, ...] = (datetime, date, time, int, float, str)  # datetime before date, its base
_OPEN = object()  # stands for a container whose items are being replaced


def to_builtins(data: Any, lists: bool = False) -> Any:
    """Return the data with built-in types in place of those of ruamel.yaml and tomlkit; other types stay as they are.

    Args:
        data: a value; it may contain one part many times.
        lists: whether tuples become lists, as in every text format.

    Raises:
        RecursionError: the value contains itself, or is nested too deep.
    """
    if not lists and not {"tomlkit", "ruamel.yaml"} & sys.modules.keys():
        return data  # nothing to replace
    return _to_builtins(data, lists, {})


def _to_builtins(data: Any, lists: bool, done: dict[int, tuple[Any, Any]]) -> Any:
    # Inside plain containers too: a migration may have put such parts into a new one. Each part only once: with aliases,
    # a few lines of YAML hold a list of lists of lists that would not fit into memory if each were copied by itself.
    if isinstance(data, dict | list) or (lists and isinstance(data, tuple)):
        if id(data) not in done:
            # With the part itself: tomlkit makes some when they are asked for, and Python uses an id again.
            done[id(data)] = data, _OPEN
            if isinstance(data, dict):
                new: Any = {_key(key, done): _to_builtins(item, lists, done) for key, item in data.items()}
            else:
                new = [_to_builtins(item, lists, done) for item in data]
            done[id(data)] = data, new
        found = done[id(data)][1]
        if found is _OPEN:
            raise RecursionError("the value contains itself")
        return found
    if data.__class__.__module__.partition(".")[0] not in ("tomlkit", "ruamel"):
        return data
    return _scalar(data, lists, done)


def _key(key: Any, done: dict[int, tuple[Any, Any]]) -> Any:
    if isinstance(key, tuple):  # ruamel.yaml's for a list as a key is a subclass
        return tuple(_key(item, done) for item in key)
    return _to_builtins(key, False, done)


def _scalar(data: Any, lists: bool, done: dict[int, tuple[Any, Any]]) -> Any:
    if isinstance(data, AbstractSet):
        return {_to_builtins(item, lists, done) for item in data}
    name = data.__class__.__name__
    if name == "Bool":  # tomlkit's, which is not a bool
        return bool(data)
    if name == "ScalarBoolean":  # ruamel.yaml's for a bool with an anchor, which is an int
        return bool(data)
    if name == "TaggedScalar":  # ruamel.yaml's for a tag that it does not know
        return data.value
    kind: Any = next((kind for kind in _KINDS if isinstance(data, kind)), None)
    if hasattr(kind, "fromisoformat"):
        return kind.fromisoformat(data.isoformat())
    return data if kind is None else kind(data)
