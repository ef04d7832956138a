"""Compare two values strictly: what Verified, type= and the text formats use before they publish.

Stricter than ==: containers and scalars must be of one built-in type, so True is not 1, and 1 is not 1.0.
More lenient: NaN equals NaN, and objects of a class without an == of its own are compared by their attributes.
"""

from __future__ import annotations

import reprlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


def difference(value: Any, again: Any) -> str | None:
    """Return the first place where `again` is another value, as `$.jobs[3]: 1 became '1'`, or None if there is none.

    Types that are not built in are compared by their own ==; datetimes by their local time and their offset.
    """
    seen: dict[tuple[int, int], Any] = {}  # keeps both values alive, because Python uses an id again
    todo: list[Iterator[Any]] = [iter([("$", value, again)])]
    while todo:  # a loop, because values may be nested deeper than Python's recursion limit
        part = next(todo[-1], None)
        if part is None:
            todo.pop()
            continue
        if isinstance(part, str):
            return part
        place, value, again = part
        kind = _kind(again)
        if kind not in (None, _kind(value)) or (kind in _SCALARS and not _equal(value, again)):
            return f"{place}: {_short(value)} became {_short(again)}"
        # A pickle restores even a value that contains itself.
        if kind not in _SCALARS and value is not again and (id(value), id(again)) not in seen:
            seen[id(value), id(again)] = value, again
            todo.append(_PARTS.get(kind, _attributes)(place, value, again))
    return None


def _attributes(place: str, value: Any, again: Any) -> Iterator[Any]:
    return _items(place, getattr(value, "__dict__", {}), getattr(again, "__dict__", {}))


def _items(place: str, value: Any, again: Any) -> Iterator[Any]:
    # 1 == True, so they are one key of a dict. Together with its kind each is a key of its own.
    theirs = {(_kind(key), key): item for key, item in again.items()}
    for key, item in value.items():
        inside = f"{place}.{key}" if isinstance(key, str) else f"{place}[{key!r}]"
        if (_kind(key), key) not in theirs:
            yield f"{inside}: the key {key!r} is gone"
        yield inside, item, theirs[_kind(key), key]
    if len(value) != len(again):
        yield f"{place}: {len(value)} keys became {len(again)}"


def _elements(place: str, value: Any, again: Any) -> Iterator[Any]:
    if len(value) != len(again):
        yield f"{place}: {len(value)} items became {len(again)}"
    for n, item in enumerate(value):
        yield f"{place}[{n}]", item, again[n]  # by index: iterating over an array of tomlkit does not unwrap its bools


_PARTS: dict[Any, Callable[[str, Any, Any], Iterator[Any]]] = {dict: _items, list: _elements, tuple: _elements}
_SCALARS = (bool, int, float, str, bytes, frozenset, set, None)
_KINDS = (*_PARTS, *_SCALARS[:-1])


def _kind(value: object) -> Any:
    """Return the built-in type of a value (dict for an OrderedDict), its class if that has no == of its own, or None."""
    own: Any = type(value)
    if own in _KINDS:
        return own
    return next((kind for kind in _KINDS if isinstance(value, kind)), own if own.__eq__ is object.__eq__ else None)


def _equal(value: Any, again: Any) -> bool:
    try:
        if hasattr(value, "utcoffset") and hasattr(again, "utcoffset"):
            return same_moment(value, again)
        return bool(value == again or (value != value and again != again))
    except Exception:  # noqa: BLE001 - an __eq__ may raise anything
        return True  # the == of a DataFrame has no truth value: all we know is that it can be loaded


def same_moment(value: Any, again: Any) -> bool:
    """Return whether two datetimes or times have the same local time and the same offset from UTC.

    == is not enough: between two time zones it is False for each time in the repeated hour of autumn and the missing
    hour of spring (PEP 495), and True for one instant at two offsets.
    """
    if value.utcoffset() != again.utcoffset():
        return False
    return bool(value.replace(tzinfo=None, fold=0) == again.replace(tzinfo=None, fold=0))


def _short(value: Any) -> str:
    return reprlib.repr(value)
